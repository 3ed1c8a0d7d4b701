// Typed column vectors: what every format decodes into and streaming SQL works on.
