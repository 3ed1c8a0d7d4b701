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

-- Who rates: a table, kept up to date by its topic. The last row of each key counts.
CREATE TABLE CUSTOMERS (
  CUSTOMER_ID VARCHAR PRIMARY KEY, FIRST_NAME VARCHAR, LAST_NAME VARCHAR, EMAIL VARCHAR, CLUB_STATUS VARCHAR
) WITH (KAFKA_TOPIC='customers', VALUE_FORMAT='JSON', PARTITIONS=1);

-- Twenty customers.
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('1', 'Ada', 'Berg', 'ada.berg@example.com', 'bronze');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('2', 'Ben', 'Cole', 'ben.cole@example.com', 'platinum');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('3', 'Cleo', 'Dahl', 'cleo.dahl@example.com', 'silver');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('4', 'Dora', 'Egan', 'dora.egan@example.com', 'platinum');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('5', 'Emil', 'Falk', 'emil.falk@example.com', 'gold');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('6', 'Fred', 'Gray', 'fred.gray@example.com', 'platinum');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('7', 'Gina', 'Holt', 'gina.holt@example.com', 'bronze');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('8', 'Hugo', 'Ito', 'hugo.ito@example.com', 'silver');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('9', 'Iris', 'Juhl', 'iris.juhl@example.com', 'silver');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('10', 'Jan', 'Kern', 'jan.kern@example.com', 'platinum');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('11', 'Kaia', 'Lund', 'kaia.lund@example.com', 'gold');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('12', 'Leo', 'Moor', 'leo.moor@example.com', 'bronze');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('13', 'Mina', 'Noor', 'mina.noor@example.com', 'platinum');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('14', 'Nils', 'Orr', 'nils.orr@example.com', 'silver');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('15', 'Olga', 'Park', 'olga.park@example.com', 'gold');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('16', 'Paul', 'Quist', 'paul.quist@example.com', 'bronze');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('17', 'Rosa', 'Ryde', 'rosa.ryde@example.com', 'platinum');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('18', 'Sven', 'Stone', 'sven.stone@example.com', 'silver');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('19', 'Tea', 'Thorn', 'tea.thorn@example.com', 'gold');
INSERT INTO CUSTOMERS (CUSTOMER_ID, FIRST_NAME, LAST_NAME, EMAIL, CLUB_STATUS) VALUES ('20', 'Ulf', 'Urban', 'ulf.urban@example.com', 'platinum');

-- Customers change, too: a second connector raises some to another status and lowers them again.
CREATE SOURCE CONNECTOR CUSTOMER_CHANGES WITH (
  'connector.class' = 'io.confluent.kafka.connect.datagen.DatagenConnector',
  'kafka.topic' = 'customers',
  'schema.filename' = '${examples}/customer-changes.avsc',
  'schema.keyfield' = 'CUSTOMER_ID',
  'max.interval' = '${change_interval}',
  'tasks.max' = '1',
  'key.converter' = 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter' = 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable' = 'false'
);

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
