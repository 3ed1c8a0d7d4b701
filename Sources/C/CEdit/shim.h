#include <stdio.h>
#include <stdlib.h>
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
