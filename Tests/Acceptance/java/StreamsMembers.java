import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListStreamsGroupOffsetsSpec;
import org.apache.kafka.clients.admin.StreamsGroupDescription;
import org.apache.kafka.clients.admin.StreamsGroupMemberAssignment;
import org.apache.kafka.clients.admin.StreamsGroupMemberDescription;
import org.apache.kafka.clients.admin.StreamsGroupSubtopologyDescription;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.internals.AsyncKafkaConsumer;
import org.apache.kafka.clients.consumer.internals.StreamsRebalanceData;
import org.apache.kafka.clients.consumer.internals.StreamsRebalanceListener;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.message.StreamsGroupHeartbeatResponseData;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Members of streams groups (KIP-1071): the consumer that Kafka Streams makes for each of its threads, with the topology
 * given instead of built, in threads that read and commit until they are told to stop. And what the Admin client tells of
 * such groups.
 */
final class StreamsMembers {
    static final Map<String, Member> MEMBERS = new ConcurrentHashMap<>();

    static void register(Map<String, Driver.Operation> operations) {
        operations.put("streamsOpen", request -> {
            Member member = new Member(request);
            MEMBERS.put(request.get("name").asText(), member);
            member.start();
            return null;
        });
        operations.put("streamsLook", request -> MEMBERS.get(request.get("name").asText()).look());
        operations.put("streamsShutdown", request -> {
            MEMBERS.get(request.get("name").asText()).data.requestShutdown();
            return null;
        });
        operations.put("streamsClose", request -> {
            Member member = MEMBERS.remove(request.get("name").asText());
            member.stops = true;
            member.join(20_000);
            return member.look();
        });
        AdminCalls.add(operations, "describeStreamsGroup", StreamsMembers::describe);
        AdminCalls.add(operations, "streamsGroupOffsets", (admin, request) -> {
            String name = GroupCalls.group(request);
            Map<String, Object> shown = new TreeMap<>();
            admin.listStreamsGroupOffsets(Map.of(name, new ListStreamsGroupOffsetsSpec())).partitionsToOffsetAndMetadata(name)
                .get().forEach((partition, offset) -> shown.put(partition.toString(), offset == null ? null : offset.offset()));
            return shown;
        });
        AdminCalls.add(operations, "deleteStreamsGroupOffsets", (admin, request) ->
            admin.deleteStreamsGroupOffsets(GroupCalls.group(request), new HashSet<>(DataPath.partitions(request))).all().get());
        AdminCalls.add(operations, "deleteStreamsGroup", (admin, request) ->
            admin.deleteStreamsGroups(List.of(GroupCalls.group(request))).all().get());
    }

    static Set<String> names(JsonNode list) {
        Set<String> names = new TreeSet<>();
        for (JsonNode one : list) names.add(one.asText());
        return names;
    }

    static List<String> tasks(Collection<StreamsRebalanceData.TaskId> tasks) {
        List<String> shown = new ArrayList<>();
        for (StreamsRebalanceData.TaskId task : new TreeSet<>(tasks))
            shown.add(task.subtopologyId() + "_" + task.partitionId());
        return shown;
    }

    /** One thread of an application. */
    static final class Member extends Thread implements StreamsRebalanceListener {
        final StreamsRebalanceData data;
        final AsyncKafkaConsumer<byte[], byte[]> consumer;
        final Set<String> topics = new TreeSet<>();
        /** The values that it has read. */
        final Set<String> seen = new ConcurrentSkipListSet<>();
        volatile boolean stops;
        volatile int lostCount;
        volatile String failure;

        Member(JsonNode request) {
            Map<String, StreamsRebalanceData.Subtopology> subtopologies = new HashMap<>();
            request.get("subtopologies").fields().forEachRemaining(entry -> {
                JsonNode one = entry.getValue();
                Map<String, StreamsRebalanceData.TopicInfo> changelogs = new HashMap<>(), repartitions = new HashMap<>();
                // The replication factor and the settings are Kafka Streams' defaults.
                for (String name : names(one.path("changelogs")))
                    changelogs.put(name, new StreamsRebalanceData.TopicInfo(
                        Optional.empty(), Optional.of((short) -1),
                        Map.of("cleanup.policy", "compact", "message.timestamp.type", "CreateTime")));
                for (String name : names(one.path("repartitions"))) {
                    repartitions.put(name, new StreamsRebalanceData.TopicInfo(
                        Optional.empty(), Optional.of((short) -1),
                        Map.of("cleanup.policy", "delete", "message.timestamp.type", "CreateTime",
                            "retention.ms", "-1", "segment.bytes", "52428800")));
                    topics.add(name);
                }
                List<Set<String>> together = new ArrayList<>();
                for (JsonNode group : one.path("copartition")) together.add(names(group));
                topics.addAll(names(one.path("sources")));
                subtopologies.put(entry.getKey(), new StreamsRebalanceData.Subtopology(
                    names(one.path("sources")), names(one.path("sinks")), repartitions, changelogs, together));
            });
            Optional<StreamsRebalanceData.HostInfo> endpoint = Optional.empty();
            if (request.has("endpoint"))
                endpoint = Optional.of(new StreamsRebalanceData.HostInfo(
                    request.get("endpoint").get(0).asText(), request.get("endpoint").get(1).asInt()));
            data = new StreamsRebalanceData(
                UUID.nameUUIDFromBytes(request.get("process").asText().getBytes()), endpoint, Optional.empty(), subtopologies,
                Map.of());
            Map<String, Object> properties = new HashMap<>();
            Driver.properties(request).forEach((name, value) -> properties.put(name.toString(), value));
            properties.put("group.id", request.get("group").asText());
            properties.put("group.protocol", "consumer");
            properties.put("enable.auto.commit", "false");
            properties.put("auto.offset.reset", "earliest");
            // As in Kafka Streams: the group's topics are the coordinator's to make, with as many partitions as they need.
            properties.put("allow.auto.create.topics", "false");
            properties.putIfAbsent("reconnect.backoff.ms", "20");
            properties.putIfAbsent("reconnect.backoff.max.ms", "200");
            properties.put("key.deserializer", ByteArrayDeserializer.class);
            properties.put("value.deserializer", ByteArrayDeserializer.class);
            consumer = new AsyncKafkaConsumer<>(
                new ConsumerConfig(properties), new ByteArrayDeserializer(), new ByteArrayDeserializer(), Optional.of(data));
            setDaemon(true);
        }

        @Override public void run() {
            try {
                consumer.subscribe(topics, this);
                boolean owes = false;
                while (!stops || owes) {
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                        seen.add(new String(record.value()));
                        owes = true;
                    }
                    if (owes) owes = !commits();
                }
            } catch (Throwable problem) {
                failure = problem.toString();
            }
            try {
                consumer.close(CloseOptions.timeout(Duration.ofSeconds(10)));
            } catch (Throwable problem) {
                if (failure == null) failure = problem.toString();
            }
        }

        /** What cannot be committed is tried again with the next poll, or read again elsewhere. */
        boolean commits() {
            try {
                consumer.commitSync(Duration.ofSeconds(5));
                return true;
            } catch (KafkaException again) {
                return false;
            }
        }

        @Override public void onTasksRevoked(Set<StreamsRebalanceData.TaskId> tasks) {}

        @Override public void onTasksAssigned(StreamsRebalanceData.Assignment assignment) {
            data.setReconciledAssignment(assignment);
        }

        @Override public void onAllTasksLost() {
            lostCount++;
            data.setReconciledAssignment(StreamsRebalanceData.Assignment.EMPTY);
        }

        Object look() {
            StreamsRebalanceData.Assignment assignment = data.reconciledAssignment();
            Map<String, Object> shown = new LinkedHashMap<>();
            shown.put("active", tasks(assignment.activeTasks()));
            shown.put("standby", tasks(assignment.standbyTasks()));
            List<Integer> statuses = new ArrayList<>();
            for (StreamsGroupHeartbeatResponseData.Status status : data.statuses()) statuses.add((int) status.statusCode());
            shown.put("statuses", statuses);
            Map<String, Object> hosts = new TreeMap<>();
            data.partitionsByHost().forEach((host, partitions) -> {
                Set<String> active = new TreeSet<>();
                for (TopicPartition partition : partitions.activePartitions()) active.add(partition.toString());
                hosts.put(host.host() + ":" + host.port(), active);
            });
            shown.put("hosts", hosts);
            shown.put("seen", new ArrayList<>(seen));
            shown.put("lost", lostCount);
            shown.put("failure", failure);
            return shown;
        }
    }

    static Object describe(Admin admin, JsonNode request) throws Exception {
        String name = GroupCalls.group(request);
        StreamsGroupDescription group = admin.describeStreamsGroups(List.of(name)).all().get().get(name);
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("state", group.groupState().toString());
        shown.put("epoch", group.groupEpoch());
        shown.put("targetEpoch", group.targetAssignmentEpoch());
        shown.put("topologyEpoch", group.topologyEpoch());
        Map<String, Object> subtopologies = new TreeMap<>();
        for (StreamsGroupSubtopologyDescription one : group.subtopologies()) {
            Map<String, Object> topics = new TreeMap<>();
            one.sourceTopics().forEach(topic -> topics.put(topic, null));
            one.repartitionSourceTopics().forEach((topic, info) -> topics.put(topic, info.partitions()));
            one.stateChangelogTopics().forEach((topic, info) -> topics.put(topic, info.partitions()));
            subtopologies.put(one.subtopologyId(), topics);
        }
        shown.put("subtopologies", subtopologies);
        List<Object> members = new ArrayList<>();
        for (StreamsGroupMemberDescription member : group.members()) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("id", member.memberId());
            one.put("epoch", member.memberEpoch());
            one.put("process", member.processId());
            one.put("client", member.clientId());
            one.put("active", ids(member.assignment().activeTasks()));
            one.put("standby", ids(member.assignment().standbyTasks()));
            one.put("target", ids(member.targetAssignment().activeTasks()));
            members.add(one);
        }
        shown.put("members", members);
        return shown;
    }

    static List<String> ids(List<StreamsGroupMemberAssignment.TaskIds> tasks) {
        List<String> shown = new ArrayList<>();
        for (StreamsGroupMemberAssignment.TaskIds ids : tasks)
            for (int partition : ids.partitions()) shown.add(ids.subtopologyId() + "_" + partition);
        return shown;
    }
}
