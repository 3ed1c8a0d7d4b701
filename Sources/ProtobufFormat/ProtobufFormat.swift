// Protocol Buffers: .proto text, descriptors, dynamic messages.
