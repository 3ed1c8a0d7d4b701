// The files of the web console, inside the program.
#ifndef SWIFTWATER_CONSOLE_PAGES_H
#define SWIFTWATER_CONSOLE_PAGES_H

#include <stddef.h>

typedef struct {
    // Below pages/, such as "js/app.js".
    const char *path;
    const unsigned char *bytes;
    size_t length;
} ConsolePage;

size_t console_page_count(void);
// index is below the count.
const ConsolePage *console_page(size_t index);

#endif
