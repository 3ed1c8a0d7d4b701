#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <editline/readline.h>

// The library's state is in variables, which Swift does not let through: one function for each that is needed.

static inline void edit_set_name(const char *name) { rl_readline_name = name; }
static inline void edit_set_completion(rl_completion_func_t *function) { rl_attempted_completion_function = function; }
static inline void edit_set_word_breaks(const char *characters) {
    rl_basic_word_break_characters = characters;
    rl_completer_word_break_characters = (char *)characters;
}
// No names of files where there is nothing to complete, and no space behind what is completed.
static inline void edit_end_completion(int character) {
    rl_attempted_completion_over = 1;
    rl_completion_append_character = character;
}
static inline const char *edit_line(void) { return rl_line_buffer; }

// Keys and what is shown are UTF-8; in the locale "C", which programs begin with, the library drops all beyond ASCII. Only
// characters are concerned: numbers, dates and messages stay those of "C". 0: the system has no such locale.
static inline int edit_use_utf8(void) {
    const char *names[] = {"", "C.UTF-8", "C.utf8", "en_US.UTF-8"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_CTYPE, names[i]) && strcmp(nl_langinfo(CODESET), "UTF-8") == 0) return 1;
    setlocale(LC_CTYPE, "C");
    return 0;
}
