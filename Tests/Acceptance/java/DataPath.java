import com.fasterxml.jackson.databind.JsonNode;
import java.io.File;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Utils;

/** Producing and consuming with the Java clients. */
final class DataPath {
    static void register(Map<String, Driver.Operation> operations) {
        operations.put("produce", DataPath::produce);
        operations.put("consume", DataPath::consume);
        operations.put("offsets", DataPath::offsets);
        operations.put("readSegment", DataPath::readSegment);
    }

    static KafkaProducer<byte[], byte[]> producer(JsonNode request) {
        Properties properties = Driver.properties(request);
        properties.putIfAbsent("delivery.timeout.ms", "30000");
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(JsonNode request) {
        Properties properties = Driver.properties(request);
        properties.putIfAbsent("enable.auto.commit", "false");
        properties.putIfAbsent("default.api.timeout.ms", "15000");
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static ProducerRecord<byte[], byte[]> record(String topic, JsonNode node) {
        Integer partition = node.hasNonNull("partition") ? node.get("partition").asInt() : null;
        Long timestamp = node.hasNonNull("timestamp") ? node.get("timestamp").asLong() : null;
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(
            topic, partition, timestamp, Driver.bytes(node.get("key")), Driver.bytes(node.get("value")));
        for (JsonNode header : node.path("headers"))
            record.headers().add(header.get(0).asText(), Driver.bytes(header.get(1)));
        return record;
    }

    /** Sends all records, then waits for all; one entry per record, with its own error if it has one. */
    static Object produce(JsonNode request) throws Exception {
        List<Map<String, Object>> answers = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer(request)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (JsonNode node : request.get("records"))
                sent.add(producer.send(record(request.get("topic").asText(), node)));
            producer.flush();
            for (Future<RecordMetadata> future : sent) {
                Map<String, Object> answer = new LinkedHashMap<>();
                try {
                    RecordMetadata metadata = future.get();
                    answer.put("partition", metadata.partition());
                    answer.put("offset", metadata.hasOffset() ? metadata.offset() : -1);
                    answer.put("timestamp", metadata.timestamp());
                } catch (Exception failed) {
                    answer.put("error", Driver.unwrap(failed).getClass().getSimpleName());
                    answer.put("message", Driver.unwrap(failed).getMessage());
                }
                answers.add(answer);
            }
        }
        return answers;
    }

    static List<TopicPartition> partitions(JsonNode request) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (JsonNode pair : request.get("partitions"))
            partitions.add(new TopicPartition(pair.get(0).asText(), pair.get(1).asInt()));
        return partitions;
    }

    /** Seeks to "from" ("beginning", "end", an offset, {"time": ms}) and polls for `count` records or the timeout. */
    static Object consume(JsonNode request) {
        List<Map<String, Object>> records = new ArrayList<>();
        KafkaConsumer<byte[], byte[]> consumer = consumer(request);
        try {
            List<TopicPartition> partitions = partitions(request);
            consumer.assign(partitions);
            JsonNode from = request.get("from");
            if (from.isNumber()) {
                for (TopicPartition partition : partitions) consumer.seek(partition, from.asLong());
            } else if (from.isObject()) {
                Map<TopicPartition, Long> times = new HashMap<>();
                for (TopicPartition partition : partitions) times.put(partition, from.get("time").asLong());
                for (Map.Entry<TopicPartition, OffsetAndTimestamp> found : consumer.offsetsForTimes(times).entrySet()) {
                    if (found.getValue() == null) consumer.seekToEnd(List.of(found.getKey()));
                    else consumer.seek(found.getKey(), found.getValue().offset());
                }
            } else if (from.asText().equals("end")) {
                consumer.seekToEnd(partitions);
            } else {
                consumer.seekToBeginning(partitions);
            }
            int count = request.get("count").asInt();
            long deadline = System.nanoTime() + request.path("timeoutMs").asLong(15_000) * 1_000_000;
            while (records.size() < count && System.nanoTime() < deadline)
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100)))
                    records.add(show(record));
        } finally {
            // Closing tells the broker to end the fetch session, which waits behind a long poll on the same connection.
            consumer.close(CloseOptions.timeout(Duration.ofMillis(300)));
        }
        return records;
    }

    static Map<String, Object> show(ConsumerRecord<byte[], byte[]> record) {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("topic", record.topic());
        shown.put("partition", record.partition());
        shown.put("offset", record.offset());
        shown.put("timestamp", record.timestamp());
        shown.put("timestampType", record.timestampType().toString());
        shown.put("key", Driver.text(record.key()));
        shown.put("value", Driver.text(record.value()));
        List<List<String>> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            List<String> pair = new ArrayList<>();
            pair.add(header.key());
            pair.add(Driver.text(header.value()));
            headers.add(pair);
        }
        shown.put("headers", headers);
        return shown;
    }

    /** Beginning, end, and the first record at or after each of "times" for each partition. */
    static Object offsets(JsonNode request) {
        List<Map<String, Object>> answers = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(request)) {
            List<TopicPartition> partitions = partitions(request);
            Map<TopicPartition, Long> first = consumer.beginningOffsets(partitions);
            Map<TopicPartition, Long> end = consumer.endOffsets(partitions);
            for (TopicPartition partition : partitions) {
                Map<String, Object> answer = new LinkedHashMap<>();
                answer.put("beginning", first.get(partition));
                answer.put("end", end.get(partition));
                List<Object> times = new ArrayList<>();
                for (JsonNode time : request.path("times")) {
                    OffsetAndTimestamp found =
                        consumer.offsetsForTimes(Map.of(partition, time.asLong())).get(partition);
                    times.add(found == null ? null : List.of(found.offset(), found.timestamp()));
                }
                answer.put("times", times);
                answers.add(answer);
            }
        }
        return answers;
    }

    /** A segment file of a stopped broker, read by Kafka's own file reader. */
    static Object readSegment(JsonNode request) throws Exception {
        List<Map<String, Object>> records = new ArrayList<>();
        try (FileRecords file = FileRecords.open(new File(request.get("file").asText()), false)) {
            for (RecordBatch batch : file.batches()) {
                batch.ensureValid();
                for (Record record : batch) {
                    Map<String, Object> shown = new LinkedHashMap<>();
                    shown.put("offset", record.offset());
                    shown.put("value", Driver.text(record.hasValue() ? Utils.toArray(record.value()) : null));
                    records.add(shown);
                }
            }
        }
        return records;
    }
}
