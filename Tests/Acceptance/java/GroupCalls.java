import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ClassicGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberAssignment;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;

/** The Java Admin client's calls about groups. Offsets are lists of [topic, partition, offset, metadata]. */
final class GroupCalls {
    static void register(Map<String, Driver.Operation> operations) {
        AdminCalls.add(operations, "listGroups", GroupCalls::list);
        AdminCalls.add(operations, "describeGroup", GroupCalls::describe);
        AdminCalls.add(operations, "describeClassicGroup", GroupCalls::describeClassic);
        AdminCalls.add(operations, "groupOffsets", (admin, request) -> {
            List<Object> shown = new ArrayList<>();
            Map<TopicPartition, OffsetAndMetadata> found =
                admin.listConsumerGroupOffsets(group(request)).partitionsToOffsetAndMetadata().get();
            found.forEach((partition, offset) -> {
                List<Object> one = new ArrayList<>(List.of(partition.topic(), partition.partition()));
                one.add(offset == null ? null : offset.offset());
                one.add(offset == null ? null : offset.metadata());
                shown.add(one);
            });
            shown.sort((a, b) -> a.toString().compareTo(b.toString()));
            return shown;
        });
        AdminCalls.add(operations, "alterGroupOffsets", (admin, request) ->
            admin.alterConsumerGroupOffsets(group(request), offsets(request)).all().get());
        AdminCalls.add(operations, "deleteGroupOffsets", (admin, request) -> admin.deleteConsumerGroupOffsets(
            group(request), new HashSet<>(DataPath.partitions(request))).all().get());
        AdminCalls.add(operations, "deleteGroup", (admin, request) ->
            admin.deleteConsumerGroups(List.of(group(request))).all().get());
        AdminCalls.add(operations, "removeMembers", (admin, request) -> {
            Set<MemberToRemove> members = new HashSet<>();
            for (JsonNode instance : request.path("instances")) members.add(new MemberToRemove(instance.asText()));
            return admin.removeMembersFromConsumerGroup(group(request), members.isEmpty()
                ? new RemoveMembersFromConsumerGroupOptions()
                : new RemoveMembersFromConsumerGroupOptions(members)).all().get();
        });
    }

    static String group(JsonNode request) {
        return request.get("group").asText();
    }

    static Map<TopicPartition, OffsetAndMetadata> offsets(JsonNode request) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (JsonNode one : request.get("offsets"))
            offsets.put(new TopicPartition(one.get(0).asText(), one.get(1).asInt()),
                new OffsetAndMetadata(one.get(2).asLong(), one.path(3).asText("")));
        return offsets;
    }

    /** {group: [type, state, protocol type]}, filtered by "states" and "types". */
    static Object list(Admin admin, JsonNode request) throws Exception {
        ListGroupsOptions options = new ListGroupsOptions();
        if (request.has("states")) {
            Set<GroupState> states = EnumSet.noneOf(GroupState.class);
            for (JsonNode state : request.get("states")) states.add(GroupState.parse(state.asText()));
            options.inGroupStates(states);
        }
        if (request.has("types")) {
            Set<GroupType> types = EnumSet.noneOf(GroupType.class);
            for (JsonNode type : request.get("types")) types.add(GroupType.parse(type.asText()));
            options.withTypes(types);
        }
        Map<String, Object> shown = new TreeMap<>();
        for (GroupListing group : admin.listGroups(options).all().get())
            shown.put(group.groupId(), List.of(group.type().map(Object::toString).orElse("?"),
                group.groupState().map(Object::toString).orElse("?"), group.protocol()));
        return shown;
    }

    static Object describe(Admin admin, JsonNode request) throws Exception {
        String name = group(request);
        ConsumerGroupDescription group = admin.describeConsumerGroups(List.of(name)).all().get().get(name);
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("state", group.groupState().toString());
        shown.put("type", group.type().toString());
        shown.put("assignor", group.partitionAssignor());
        shown.put("coordinator", group.coordinator().id());
        shown.put("simple", group.isSimpleConsumerGroup());
        shown.put("epoch", group.groupEpoch().orElse(-1));
        shown.put("members", members(group.members()));
        return shown;
    }

    static Object describeClassic(Admin admin, JsonNode request) throws Exception {
        String name = group(request);
        ClassicGroupDescription group = admin.describeClassicGroups(List.of(name)).all().get().get(name);
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("state", group.state().toString());
        shown.put("protocol", group.protocol());
        shown.put("data", group.protocolData());
        shown.put("members", group.members().size());
        return shown;
    }

    static List<Object> members(Iterable<MemberDescription> members) {
        List<Object> all = new ArrayList<>();
        for (MemberDescription member : members) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("id", member.consumerId());
            one.put("instance", member.groupInstanceId().orElse(null));
            one.put("client", member.clientId());
            one.put("host", member.host());
            one.put("assignment", pairs(member.assignment()));
            one.put("target", member.targetAssignment().map(GroupCalls::pairs).orElse(null));
            one.put("epoch", member.memberEpoch().orElse(-1));
            one.put("upgraded", member.upgraded().orElse(null));
            all.add(one);
        }
        return all;
    }

    static List<Object> pairs(MemberAssignment assignment) {
        List<Object> pairs = new ArrayList<>();
        for (TopicPartition partition : assignment.topicPartitions())
            pairs.add(List.of(partition.topic(), partition.partition()));
        pairs.sort((a, b) -> a.toString().compareTo(b.toString()));
        return pairs;
    }
}
