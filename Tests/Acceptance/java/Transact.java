import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** children/transact.py for the Java clients: a read-process-write loop as a process of its own. */
public final class Transact {
    public static void main(String[] arguments) throws Exception {
        System.setOut(System.err);
        JsonNode options = Driver.JSON.readTree(arguments[0]);
        Random random = new Random(options.path("seed").asLong(1));
        Thread listener = new Thread(Member::listen);
        listener.setDaemon(true);
        listener.start();
        Member.tell("started");
        while (!Member.CLOSING.get()) {
            try {
                round(options, random);
            } catch (Exception failed) {
                Member.tell("failed", "error", failed.getClass().getSimpleName(),
                    "message", String.valueOf(failed.getMessage()));
                Thread.sleep(100);
            }
        }
        Member.tell("closed");
        System.exit(0);
    }

    static Properties properties(JsonNode options) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", options.get("bootstrap").asText());
        properties.put("reconnect.backoff.ms", "20");
        properties.put("reconnect.backoff.max.ms", "200");
        properties.put("enable.metrics.push", "false");
        return properties;
    }

    /** Until something fails, an abort on purpose, or the end. */
    static void round(JsonNode options, Random random) {
        Properties forProducer = properties(options), forConsumer = properties(options);
        forProducer.put("transactional.id", options.get("id").asText());
        forProducer.put("transaction.timeout.ms", options.path("transactionMs").asText("10000"));
        forProducer.put("max.block.ms", "30000");
        forConsumer.put("group.id", options.get("group").asText());
        forConsumer.put("auto.offset.reset", "earliest");
        forConsumer.put("enable.auto.commit", "false");
        forConsumer.put("isolation.level", "read_committed");
        forConsumer.put("max.poll.records", Integer.toString(1 + random.nextInt(options.path("batch").asInt(50))));
        if (options.path("protocol").asText().equals("consumer")) {
            forConsumer.put("group.protocol", "consumer");
        } else {
            forConsumer.put("session.timeout.ms", options.path("sessionMs").asText("6000"));
            forConsumer.put("heartbeat.interval.ms", "500");
        }
        int abortEvery = options.path("abortEvery").asInt(0);
        String output = options.get("output").asText();
        KafkaProducer<String, String> producer =
            new KafkaProducer<>(forProducer, new StringSerializer(), new StringSerializer());
        try (KafkaConsumer<String, String> consumer =
            new KafkaConsumer<>(forConsumer, new StringDeserializer(), new StringDeserializer())) {
            producer.initTransactions();
            if (options.hasNonNull("partitions")) {
                List<TopicPartition> partitions = new ArrayList<>();
                for (JsonNode number : options.get("partitions"))
                    partitions.add(new TopicPartition(options.get("input").asText(), number.asInt()));
                consumer.assign(partitions);
            } else {
                consumer.subscribe(List.of(options.get("input").asText()));
            }
            while (!Member.CLOSING.get()) {
                ConsumerRecords<String, String> found = consumer.poll(Duration.ofMillis(100));
                if (found.isEmpty()) continue;
                producer.beginTransaction();
                try {
                    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                    for (ConsumerRecord<String, String> record : found) {
                        producer.send(new ProducerRecord<>(output, record.key(), record.value()));
                        offsets.put(new TopicPartition(record.topic(), record.partition()),
                            new OffsetAndMetadata(record.offset() + 1));
                    }
                    producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                    if (abortEvery > 0 && random.nextInt(abortEvery) == 0) {
                        producer.abortTransaction();
                        Member.tell("aborted", "count", found.count());
                        return;
                    }
                    producer.commitTransaction();
                } catch (RuntimeException failed) {
                    try {
                        producer.abortTransaction();
                    } catch (RuntimeException ignored) {
                        // Fenced or already ended: the next round begins with initTransactions.
                    }
                    throw failed;
                }
                Member.tell("committed", "count", found.count());
            }
        } finally {
            producer.close(Duration.ofSeconds(1));
        }
    }
}
