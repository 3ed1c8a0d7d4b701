import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** Transactional producers by name, step by step, and the Admin client's calls about transactions. */
final class TransactionCalls {
    static final Map<String, KafkaProducer<byte[], byte[]>> PRODUCERS = new HashMap<>();

    static void register(Map<String, Driver.Operation> operations) {
        operations.put("txnOpen", request -> {
            KafkaProducer<byte[], byte[]> producer = DataPath.producer(request);
            PRODUCERS.put(request.get("name").asText(), producer);
            producer.initTransactions();
            return null;
        });
        operations.put("txnBegin", request -> {
            producer(request).beginTransaction();
            return null;
        });
        operations.put("txnSend", TransactionCalls::send);
        operations.put("txnOffsets", TransactionCalls::sendOffsets);
        operations.put("txnCommit", request -> {
            producer(request).commitTransaction();
            return null;
        });
        operations.put("txnAbort", request -> {
            producer(request).abortTransaction();
            return null;
        });
        operations.put("txnClose", request -> {
            PRODUCERS.remove(request.get("name").asText()).close(Duration.ZERO);
            return null;
        });
        AdminCalls.add(operations, "listTransactions", TransactionCalls::list);
        AdminCalls.add(operations, "describeTransaction", TransactionCalls::describe);
        AdminCalls.add(operations, "openTransactions", TransactionCalls::open);
        AdminCalls.add(operations, "abortTransaction", (admin, request) -> admin.abortTransaction(
            new AbortTransactionSpec(AdminCalls.partition(request), request.get("id").asLong(),
                request.get("epoch").shortValue(), request.path("coordinatorEpoch").asInt(0))).all().get());
        AdminCalls.add(operations, "fenceProducers", (admin, request) ->
            admin.fenceProducers(List.of(request.get("id").asText())).all().get());
    }

    static KafkaProducer<byte[], byte[]> producer(JsonNode request) {
        return PRODUCERS.get(request.get("name").asText());
    }

    /** Sends and waits for "records"; their offsets. */
    static Object send(JsonNode request) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (JsonNode node : request.get("records"))
            sent.add(producer(request).send(DataPath.record(request.get("topic").asText(), node)));
        producer(request).flush();
        List<Long> offsets = new ArrayList<>();
        for (Future<RecordMetadata> future : sent) offsets.add(future.get().offset());
        return offsets;
    }

    /** With the group's name alone: nobody is fenced by generation. */
    @SuppressWarnings("removal")
    static Object sendOffsets(JsonNode request) {
        producer(request).sendOffsetsToTransaction(
            GroupCalls.offsets(request), new ConsumerGroupMetadata(GroupCalls.group(request)));
        return null;
    }

    static Object list(Admin admin, JsonNode request) throws Exception {
        ListTransactionsOptions options = new ListTransactionsOptions();
        if (request.has("longerThanMs")) options.filterOnDuration(request.get("longerThanMs").asLong());
        if (request.has("pattern")) options.filterOnTransactionalIdPattern(request.get("pattern").asText());
        Map<String, Object> shown = new TreeMap<>();
        for (TransactionListing listing : admin.listTransactions(options).all().get())
            shown.put(listing.transactionalId(), List.of(listing.producerId(), listing.state().toString()));
        return shown;
    }

    static Object describe(Admin admin, JsonNode request) throws Exception {
        TransactionDescription found =
            admin.describeTransactions(List.of(request.get("id").asText())).all().get().values().iterator().next();
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("state", found.state().toString());
        shown.put("producerId", found.producerId());
        shown.put("epoch", found.producerEpoch());
        shown.put("timeoutMs", found.transactionTimeoutMs());
        shown.put("started", found.transactionStartTimeMs().orElse(-1));
        List<String> partitions = new ArrayList<>();
        for (TopicPartition partition : found.topicPartitions()) partitions.add(partition.toString());
        partitions.sort(null);
        shown.put("partitions", partitions);
        return shown;
    }

    /** DescribeProducers: those with an open transaction, as [id, epoch, first offset, coordinator epoch]. */
    static Object open(Admin admin, JsonNode request) throws Exception {
        List<Object> shown = new ArrayList<>();
        TopicPartition partition = AdminCalls.partition(request);
        for (ProducerState state :
            admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers())
            if (state.currentTransactionStartOffset().isPresent())
                shown.add(List.of(state.producerId(), state.producerEpoch(),
                    state.currentTransactionStartOffset().getAsLong(), state.coordinatorEpoch().orElse(-1)));
        return shown;
    }
}
