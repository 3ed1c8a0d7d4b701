// Plans consist of formats as much as of steps: who sees plans sees those too.
@_exported public import SQLFormats
