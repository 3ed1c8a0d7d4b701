-- A factory's sensors report each widget that is made: when, where, what, how warm, how heavy.
CREATE SOURCE CONNECTOR WIDGETS_SOURCE WITH (
  'connector.class' = 'io.confluent.kafka.connect.datagen.DatagenConnector',
  'kafka.topic' = 'widgets',
  'schema.filename' = '${examples}/widgets.avsc',
  'schema.keyfield' = 'sensor_id',
  'max.interval' = '${interval}',
  'tasks.max' = '1',
  'key.converter' = 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter' = 'io.confluent.connect.avro.AvroConverter',
  'value.converter.schema.registry.url' = '${registry}'
);

-- The topic as a stream, with the columns of its schema.
CREATE STREAM WIDGETS WITH (KAFKA_TOPIC='widgets', VALUE_FORMAT='AVRO');

-- Filter: widgets that are too heavy, in a stream of their own.
CREATE STREAM HEAVY_WIDGETS AS
  SELECT * FROM WIDGETS WHERE WIDGET_WEIGHT_G > 120;

-- Count: how many each production line has made.
CREATE TABLE WIDGETS_BY_LINE AS
  SELECT PRODUCTION_LINE, COUNT(*) AS WIDGETS FROM WIDGETS GROUP BY PRODUCTION_LINE;

-- Average, and a condition on it: sensors that are warmer than 20 degrees.
CREATE TABLE WARM_SENSORS AS
  SELECT SENSOR_ID, AVG(TEMP_CELCIUS) AS TEMP FROM WIDGETS GROUP BY SENSOR_ID HAVING AVG(TEMP_CELCIUS) > 20;

-- Everything goes to the data warehouse, here a folder. The same options with a region and keys write to S3.
CREATE SINK CONNECTOR DW WITH (
  'connector.class' = 'io.confluent.connect.s3.S3SinkConnector',
  'topics' = 'widgets',
  'store.url' = '${lake}',
  's3.bucket.name' = 'warehouse',
  'format.class' = 'io.confluent.connect.s3.format.parquet.ParquetFormat',
  'flush.size' = '10000',
  'rotate.interval.ms' = '${rotate_interval}',
  'key.converter' = 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter' = 'io.confluent.connect.avro.AvroConverter',
  'value.converter.schema.registry.url' = '${registry}'
);

-- Too heavy, as it happens.
SELECT SENSOR_ID, PRODUCTION_LINE, WIDGET_TYPE, WIDGET_WEIGHT_G FROM HEAVY_WIDGETS EMIT CHANGES LIMIT 3;

-- The counts so far.
SELECT PRODUCTION_LINE, WIDGETS FROM WIDGETS_BY_LINE;
