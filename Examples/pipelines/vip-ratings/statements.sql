CREATE STREAM ratings (user STRING KEY, stars INT, channel STRING) WITH (kafka_topic='ratings', value_format='JSON');
CREATE STREAM vip_ratings AS SELECT user, stars, UCASE(channel) AS channel FROM ratings WHERE user LIKE 'vip-%';
