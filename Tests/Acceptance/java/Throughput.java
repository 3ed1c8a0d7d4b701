import com.fasterxml.jackson.databind.JsonNode;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * How many records a producer gets acknowledged: {"bootstrap", "topic", "partitions", "bytes", "seconds"}, plain
 * idempotent, or with "id" in transactions that are committed every "commitMs". For Benchmarks/coordination.py.
 */
public final class Throughput {
    public static void main(String[] arguments) throws Exception {
        JsonNode options = Driver.JSON.readTree(arguments[0]);
        Properties properties = Transact.properties(options);
        properties.put("linger.ms", "5");
        properties.put("batch.size", "131072");
        properties.put("compression.type", "none");
        boolean transactional = options.hasNonNull("id");
        if (transactional) properties.put("transactional.id", options.get("id").asText());
        String topic = options.get("topic").asText();
        int partitions = options.get("partitions").asInt();
        byte[] value = new byte[options.get("bytes").asInt()];
        long commitNanos = options.path("commitMs").asLong(100) * 1_000_000;
        AtomicLong acknowledged = new AtomicLong(), failed = new AtomicLong();
        try (KafkaProducer<byte[], byte[]> producer =
            new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            if (transactional) producer.initTransactions();
            // The first seconds belong to the just-in-time compiler.
            long warm = System.nanoTime() + 2_000_000_000L, start = 0, mark = 0;
            long end = warm + options.get("seconds").asLong() * 1_000_000_000L, begun = 0;
            for (long number = 0;; number++) {
                long now = System.nanoTime();
                if (start == 0 && now >= warm) {
                    start = now;
                    mark = acknowledged.get();
                }
                if (now >= end) break;
                if (transactional && begun == 0) {
                    producer.beginTransaction();
                    begun = now;
                }
                producer.send(new ProducerRecord<>(topic, (int) (number % partitions), null, value),
                    (metadata, error) -> (error == null ? acknowledged : failed).incrementAndGet());
                if (transactional && now - begun >= commitNanos) {
                    producer.commitTransaction();
                    begun = 0;
                }
            }
            if (begun != 0) producer.commitTransaction();
            double seconds = (System.nanoTime() - start) / 1e9;
            if (!transactional) seconds = (end - start) / 1e9;
            System.out.println(Driver.JSON.writeValueAsString(java.util.Map.of(
                "perSecond", (acknowledged.get() - mark) / seconds, "failed", failed.get())));
        }
    }
}
