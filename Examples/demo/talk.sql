-- Ratings of flights come in by a connector. It makes them up, in Avro, and their schema goes to the registry by itself.
CREATE SOURCE CONNECTOR RATINGS_SOURCE WITH (
  'connector.class' = 'io.confluent.kafka.connect.datagen.DatagenConnector',
  'kafka.topic' = 'ratings',
  'schema.filename' = '${examples}/ratings.avsc',
  'schema.keyfield' = 'rating_id',
  'max.interval' = '${interval}',
  'tasks.max' = '1',
  'key.converter' = 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter' = 'io.confluent.connect.avro.AvroConverter',
  'value.converter.schema.registry.url' = '${registry}'
);

-- A topic becomes a stream. Its columns need not be written down: they are those of the schema.
CREATE STREAM RATINGS WITH (KAFKA_TOPIC='ratings', VALUE_FORMAT='AVRO');

-- What is said, as it is said, without what testers write.
SELECT USER_ID, STARS, CHANNEL, MESSAGE FROM RATINGS WHERE LCASE(CHANNEL) NOT LIKE '%test%' EMIT CHANGES LIMIT 3;

-- A query that stays: it fills a topic of its own with the poor ratings from iOS for as long as the platform lives.
CREATE STREAM POOR_RATINGS AS
  SELECT STARS, CHANNEL, MESSAGE FROM RATINGS WHERE STARS < 3 AND CHANNEL = 'iOS';

-- The customers are in a database. A connector reads the table as it is, and then its log: every change, as it is made.
CREATE SOURCE CONNECTOR SOURCE_MYSQL_01 WITH (
  'connector.class' = 'io.debezium.connector.mysql.MySqlConnector',
  'database.hostname' = '${mysql_host}',
  'database.port' = '${mysql_port}',
  'database.user' = '${mysql_user}',
  'database.password' = '${mysql_password}',
  'database.server.id' = '42',
  'database.server.name' = 'asgard',
  'table.whitelist' = 'demo.customers',
  'database.history.kafka.bootstrap.servers' = '${kafka}',
  'database.history.kafka.topic' = 'dbhistory.demo',
  'include.schema.changes' = 'false',
  'transforms' = 'unwrap,extractkey',
  'transforms.unwrap.type' = 'io.debezium.transforms.ExtractNewRecordState',
  'transforms.extractkey.type' = 'org.apache.kafka.connect.transforms.ExtractField$Key',
  'transforms.extractkey.field' = 'id',
  'key.converter' = 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter' = 'io.confluent.connect.avro.AvroConverter',
  'value.converter.schema.registry.url' = '${registry}'
);

-- Its topic becomes a table: the last change of each row counts.
CREATE TABLE CUSTOMERS (CUSTOMER_ID VARCHAR PRIMARY KEY) WITH (KAFKA_TOPIC='asgard.demo.CUSTOMERS', VALUE_FORMAT='AVRO');

-- Each rating gets its customer as the table has it at that moment. Ratings of strangers are left out.
CREATE STREAM RATINGS_WITH_CUSTOMER_DATA WITH (KAFKA_TOPIC='ratings-enriched') AS
  SELECT R.RATING_ID, R.MESSAGE, R.STARS, R.CHANNEL, C.CUSTOMER_ID,
         C.FIRST_NAME + ' ' + C.LAST_NAME AS FULL_NAME, C.CLUB_STATUS, C.EMAIL
  FROM RATINGS R LEFT JOIN CUSTOMERS C ON CAST(R.USER_ID AS STRING) = C.CUSTOMER_ID
  WHERE C.FIRST_NAME IS NOT NULL
  EMIT CHANGES;

-- Whom to call first: the best customers, when they are unhappy.
CREATE STREAM UNHAPPY_PLATINUM_CUSTOMERS AS
  SELECT FULL_NAME, CLUB_STATUS, EMAIL, STARS, MESSAGE
  FROM RATINGS_WITH_CUSTOMER_DATA
  WHERE STARS < 3 AND CLUB_STATUS = 'platinum'
  PARTITION BY FULL_NAME;

-- Ratings and unhappy customers go to a search index. A transform adds the time of the record.
CREATE SINK CONNECTOR SINK_ELASTIC_01 WITH (
  'connector.class' = 'io.confluent.connect.elasticsearch.ElasticsearchSinkConnector',
  'connection.url' = '${search}',
  'type.name' = '',
  'behavior.on.malformed.documents' = 'warn',
  'errors.tolerance' = 'all',
  'errors.log.enable' = 'true',
  'errors.log.include.messages' = 'true',
  'topics' = 'ratings-enriched,UNHAPPY_PLATINUM_CUSTOMERS',
  'key.ignore' = 'true',
  'schema.ignore' = 'true',
  'key.converter' = 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter' = 'io.confluent.connect.avro.AvroConverter',
  'value.converter.schema.registry.url' = '${registry}',
  'transforms' = 'ExtractTimestamp',
  'transforms.ExtractTimestamp.type' = 'org.apache.kafka.connect.transforms.InsertField$Value',
  'transforms.ExtractTimestamp.timestamp.field' = 'EXTRACT_TS'
);

-- They become messages to Slack, one for each customer in half a minute. Here the webhook is the demonstration's own.
CREATE SINK CONNECTOR SLACK_ALERTS WITH (
  'connector.class' = 'io.swiftwater.connect.slack.SlackSinkConnector',
  'topics' = 'UNHAPPY_PLATINUM_CUSTOMERS',
  'slack.webhook.url' = '${alerts}',
  'message.template' = ':rotating_light: ${key} (${EMAIL}) gave ${STARS} stars: ${MESSAGE}',
  'dedupe.key' = '${key}',
  'dedupe.window.ms' = '30000',
  'key.converter' = 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter' = 'io.confluent.connect.avro.AvroConverter',
  'value.converter.schema.registry.url' = '${registry}'
);

-- How it goes, minute by minute, for each status.
CREATE TABLE RATINGS_BY_CLUB_STATUS AS
  SELECT CLUB_STATUS, COUNT(*) AS RATING_COUNT
  FROM RATINGS_WITH_CUSTOMER_DATA WINDOW TUMBLING (SIZE 1 MINUTES)
  GROUP BY CLUB_STATUS
  EMIT CHANGES;

-- All enriched ratings go to the data lake: a folder of Parquet files, laid out as in S3. A file has three seconds of them, or
-- ten thousand.
CREATE SINK CONNECTOR DATA_LAKE WITH (
  'connector.class' = 'swiftwater.connect.FileStoreSinkConnector',
  'topics' = 'ratings-enriched',
  'store.url' = '${lake}',
  'flush.size' = '10000',
  'rotate.interval.ms' = '${rotate_interval}',
  'key.converter' = 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter' = 'io.confluent.connect.avro.AvroConverter',
  'value.converter.schema.registry.url' = '${registry}'
);

-- A table can be asked like one of a database: how many ratings did customers of status bronze write, by minute?
SELECT TIMESTAMPTOSTRING(WINDOWSTART, 'yyyy-MM-dd HH:mm:ss') AS WINDOW_START_TS, CLUB_STATUS, RATING_COUNT
  FROM RATINGS_BY_CLUB_STATUS WHERE CLUB_STATUS = 'bronze' AND WINDOWSTART > '2020-02-12T10:46:00.000';
