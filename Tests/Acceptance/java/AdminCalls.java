import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreatePartitionsOptions;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.DescribeConsumerGroupsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** The Java Admin client's calls. */
final class AdminCalls {
    interface Call {
        Object run(Admin admin, JsonNode request) throws Exception;
    }

    static void register(Map<String, Driver.Operation> operations) {
        add(operations, "createTopic", AdminCalls::createTopic);
        add(operations, "deleteTopic", (admin, request) -> admin.deleteTopics(List.of(topic(request))).all().get());
        add(operations, "deleteTopicById", (admin, request) -> admin.deleteTopics(TopicCollection.ofTopicIds(
            List.of(org.apache.kafka.common.Uuid.fromString(request.get("id").asText())))).all().get());
        add(operations, "listTopics", (admin, request) -> new TreeSet<>(admin.listTopics().names().get()));
        add(operations, "describeTopic", AdminCalls::describeTopic);
        add(operations, "createPartitions", (admin, request) -> admin.createPartitions(
            Map.of(topic(request), NewPartitions.increaseTo(request.get("count").asInt())),
            new CreatePartitionsOptions().validateOnly(request.path("validateOnly").asBoolean())).all().get());
        add(operations, "describeConfigs", AdminCalls::describeConfigs);
        add(operations, "authorizedOperations", AdminCalls::authorizedOperations);
        add(operations, "alterConfigs", AdminCalls::alterConfigs);
        add(operations, "describeCluster", AdminCalls::describeCluster);
        add(operations, "describeLogDirs", AdminCalls::describeLogDirs);
        add(operations, "describeProducers", AdminCalls::describeProducers);
        add(operations, "listOffsets", AdminCalls::listOffsets);
        add(operations, "deleteRecords", (admin, request) -> admin.deleteRecords(Map.of(partition(request),
            RecordsToDelete.beforeOffset(request.get("before").asLong()))).lowWatermarks().get(partition(request)).get()
            .lowWatermark());
        add(operations, "electLeaders", (admin, request) -> {
            ElectionType type = ElectionType.valueOf(request.get("type").asText());
            Map<TopicPartition, Optional<Throwable>> all =
                admin.electLeaders(type, Set.of(partition(request))).partitions().get();
            return all.get(partition(request)).map(failed -> failed.getClass().getSimpleName()).orElse(null);
        });
        add(operations, "listReassignments",
            (admin, request) -> admin.listPartitionReassignments().reassignments().get().size());
        add(operations, "alterReassignments", (admin, request) -> {
            List<Integer> replicas = new ArrayList<>();
            for (JsonNode replica : request.get("replicas")) replicas.add(replica.asInt());
            return admin.alterPartitionReassignments(
                Map.of(partition(request), Optional.of(new NewPartitionReassignment(replicas)))).all().get();
        });
        add(operations, "describeQuorum", AdminCalls::describeQuorum);
        add(operations, "describeAcls",
            (admin, request) -> admin.describeAcls(AclBindingFilter.ANY).values().get().size());
        add(operations, "deleteAcls",
            (admin, request) -> admin.deleteAcls(Set.of(AclBindingFilter.ANY)).all().get().size());
        add(operations, "createAcls", (admin, request) -> admin.createAcls(Set.of(new AclBinding(
            new ResourcePattern(ResourceType.TOPIC, topic(request), PatternType.LITERAL),
            new AccessControlEntry("User:bob", "*", AclOperation.READ, AclPermissionType.ALLOW)))).all().get());
        add(operations, "describeUsers",
            (admin, request) -> admin.describeUserScramCredentials().all().get().size());
        add(operations, "describeFeatures", AdminCalls::describeFeatures);
        add(operations, "listConfigResources", (admin, request) -> {
            TreeSet<String> names = new TreeSet<>();
            for (ConfigResource resource : admin.listConfigResources().all().get())
                names.add(resource.type() + ":" + resource.name());
            return names;
        });
    }

    static void add(Map<String, Driver.Operation> operations, String name, Call call) {
        operations.put(name, request -> {
            try (Admin admin = Admin.create(Driver.properties(request))) {
                return call.run(admin, request);
            }
        });
    }

    static String topic(JsonNode request) {
        return request.get("topic").asText();
    }

    static TopicPartition partition(JsonNode request) {
        return new TopicPartition(topic(request), request.path("partition").asInt(0));
    }

    static Object createTopic(Admin admin, JsonNode request) throws Exception {
        Optional<Integer> partitions = Optional.ofNullable(request.get("partitions")).map(JsonNode::asInt);
        Optional<Short> replicas = Optional.ofNullable(request.get("replicas")).map(JsonNode::shortValue);
        Map<String, String> configs = new HashMap<>();
        request.path("configs").fields().forEachRemaining(
            entry -> configs.put(entry.getKey(), entry.getValue().asText()));
        NewTopic topic = new NewTopic(topic(request), partitions, replicas).configs(configs);
        CreateTopicsOptions options = new CreateTopicsOptions().validateOnly(request.path("validateOnly").asBoolean());
        CreateTopicsResult result = admin.createTopics(List.of(topic), options);
        result.all().get();
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("id", result.topicId(topic(request)).get().toString());
        shown.put("partitions", result.numPartitions(topic(request)).get());
        shown.put("replicas", result.replicationFactor(topic(request)).get());
        shown.put("configs", show(result.config(topic(request)).get()));
        return shown;
    }

    static Object describeTopic(Admin admin, JsonNode request) throws Exception {
        TopicDescription description =
            admin.describeTopics(List.of(topic(request))).allTopicNames().get().get(topic(request));
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("id", description.topicId().toString());
        shown.put("internal", description.isInternal());
        List<Object> partitions = new ArrayList<>();
        for (TopicPartitionInfo info : description.partitions()) {
            partitions.add(Map.of("partition", info.partition(), "leader", info.leader().id(),
                "replicas", ids(info.replicas()), "isr", ids(info.isr())));
        }
        shown.put("partitions", partitions);
        return shown;
    }

    /// What the client is told that it may do, by name: of the cluster, a topic and a group.
    static Object authorizedOperations(Admin admin, JsonNode request) throws Exception {
        String group = request.get("group").asText();
        return Map.of(
            "cluster", names(admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true))
                .authorizedOperations().get()),
            "topic", names(admin.describeTopics(List.of(topic(request)),
                new DescribeTopicsOptions().includeAuthorizedOperations(true))
                .allTopicNames().get().get(topic(request)).authorizedOperations()),
            "group", names(admin.describeConsumerGroups(List.of(group),
                new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true))
                .all().get().get(group).authorizedOperations()));
    }

    private static Object names(Set<AclOperation> operations) {
        return operations == null ? List.of() : operations.stream().map(Enum::name).sorted().toList();
    }

    static List<Integer> ids(Collection<Node> nodes) {
        List<Integer> ids = new ArrayList<>();
        for (Node node : nodes) ids.add(node.id());
        return ids;
    }

    static ConfigResource resource(JsonNode request) {
        ConfigResource.Type type = ConfigResource.Type.valueOf(request.path("type").asText("TOPIC"));
        return new ConfigResource(type, request.get("name").asText());
    }

    static Map<String, Object> show(Config config) {
        Map<String, Object> shown = new TreeMap<>();
        for (ConfigEntry entry : config.entries()) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("value", entry.value());
            one.put("source", entry.source().toString());
            one.put("type", entry.type() == null ? null : entry.type().toString());  // CreateTopics answers carry none
            one.put("readOnly", entry.isReadOnly());
            one.put("sensitive", entry.isSensitive());
            List<String> synonyms = new ArrayList<>();
            for (ConfigEntry.ConfigSynonym synonym : entry.synonyms())
                synonyms.add(synonym.source() + ":" + synonym.name());
            one.put("synonyms", synonyms);
            one.put("documentation", entry.documentation());
            shown.put(entry.name(), one);
        }
        return shown;
    }

    static Object describeConfigs(Admin admin, JsonNode request) throws Exception {
        ConfigResource resource = resource(request);
        DescribeConfigsOptions options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        return show(admin.describeConfigs(List.of(resource), options).all().get().get(resource));
    }

    /** "operations": list of [SET|DELETE|APPEND|SUBTRACT, name, value]. */
    static Object alterConfigs(Admin admin, JsonNode request) throws Exception {
        List<AlterConfigOp> operations = new ArrayList<>();
        for (JsonNode one : request.get("operations"))
            operations.add(new AlterConfigOp(new ConfigEntry(one.get(1).asText(), one.path(2).asText(null)),
                AlterConfigOp.OpType.valueOf(one.get(0).asText())));
        return admin.incrementalAlterConfigs(Map.of(resource(request), operations)).all().get();
    }

    static Object describeCluster(Admin admin, JsonNode request) throws Exception {
        DescribeClusterResult result = admin.describeCluster();
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("id", result.clusterId().get());
        shown.put("controller", result.controller().get().id());
        shown.put("nodes", ids(result.nodes().get()));
        return shown;
    }

    static Object describeLogDirs(Admin admin, JsonNode request) throws Exception {
        int node = admin.describeCluster().nodes().get().iterator().next().id();
        List<Object> shown = new ArrayList<>();
        Map<String, LogDirDescription> all = admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node);
        for (Map.Entry<String, LogDirDescription> one : all.entrySet()) {
            Map<String, Object> directory = new LinkedHashMap<>();
            directory.put("path", one.getKey());
            directory.put("total", one.getValue().totalBytes().orElse(-1));
            directory.put("usable", one.getValue().usableBytes().orElse(-1));
            Map<String, Long> sizes = new TreeMap<>();
            one.getValue().replicaInfos().forEach((partition, info) -> sizes.put(partition.toString(), info.size()));
            directory.put("sizes", sizes);
            shown.add(directory);
        }
        return shown;
    }

    static Object describeProducers(Admin admin, JsonNode request) throws Exception {
        List<Object> shown = new ArrayList<>();
        TopicPartition partition = partition(request);
        for (ProducerState state :
            admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers())
            shown.add(Map.of("id", state.producerId(), "epoch", state.producerEpoch(),
                "lastSequence", state.lastSequence(), "lastTimestamp", state.lastTimestamp()));
        return shown;
    }

    static Object listOffsets(Admin admin, JsonNode request) throws Exception {
        JsonNode at = request.get("at");
        OffsetSpec spec = at.isNumber() ? OffsetSpec.forTimestamp(at.asLong()) : switch (at.asText()) {
            case "earliest" -> OffsetSpec.earliest();
            case "latest" -> OffsetSpec.latest();
            case "maxTimestamp" -> OffsetSpec.maxTimestamp();
            case "earliestLocal" -> OffsetSpec.earliestLocal();
            default -> throw new IllegalArgumentException(at.asText());
        };
        TopicPartition partition = partition(request);
        ListOffsetsResult.ListOffsetsResultInfo found =
            admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get();
        return Map.of("offset", found.offset(), "timestamp", found.timestamp(),
            "leaderEpoch", found.leaderEpoch().orElse(-1));
    }

    static Object describeQuorum(Admin admin, JsonNode request) throws Exception {
        QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
        List<Integer> voters = new ArrayList<>();
        for (QuorumInfo.ReplicaState voter : quorum.voters()) voters.add(voter.replicaId());
        return Map.of("leader", quorum.leaderId(), "voters", voters);
    }

    static Object describeFeatures(Admin admin, JsonNode request) throws Exception {
        FeatureMetadata features = admin.describeFeatures().featureMetadata().get();
        Map<String, Object> shown = new LinkedHashMap<>();
        Map<String, Integer> finalized = new TreeMap<>(), supported = new TreeMap<>();
        features.finalizedFeatures().forEach((name, range) -> finalized.put(name, (int) range.maxVersionLevel()));
        features.supportedFeatures().forEach((name, range) -> supported.put(name, (int) range.maxVersion()));
        shown.put("finalized", finalized);
        shown.put("supported", supported);
        return shown;
    }
}
