#pragma once
#include <stddef.h>

// A file of Examples/demo, as it was when the program was built.
struct swiftwater_example {
    const char *_Nonnull name;
    const unsigned char *_Nonnull bytes;
    size_t count;
};

// The file at a place, counted from 0; NULL behind the last.
const struct swiftwater_example *_Nullable swiftwater_example_at(size_t index);
