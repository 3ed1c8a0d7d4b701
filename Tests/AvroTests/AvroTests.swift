// Apache Avro: schemas, resolution, the binary and JSON encodings, object container files.
