import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ShareGroupDescription;
import org.apache.kafka.clients.admin.ShareMemberDescription;
import org.apache.kafka.clients.admin.SharePartitionOffsetInfo;
import org.apache.kafka.common.TopicPartition;

/** The Java Admin client's calls about share groups. Offsets are lists of [topic, partition, offset]. */
final class ShareGroupCalls {
    static void register(Map<String, Driver.Operation> operations) {
        AdminCalls.add(operations, "describeShareGroup", ShareGroupCalls::describe);
        AdminCalls.add(operations, "shareGroupOffsets", ShareGroupCalls::offsets);
        AdminCalls.add(operations, "alterShareGroupOffsets", (admin, request) -> {
            Map<TopicPartition, Long> offsets = new HashMap<>();
            for (JsonNode one : request.get("offsets"))
                offsets.put(new TopicPartition(one.get(0).asText(), one.get(1).asInt()), one.get(2).asLong());
            return admin.alterShareGroupOffsets(GroupCalls.group(request), offsets).all().get();
        });
        AdminCalls.add(operations, "deleteShareGroupOffsets", (admin, request) -> {
            Set<String> topics = new HashSet<>();
            for (JsonNode topic : request.get("topics")) topics.add(topic.asText());
            return admin.deleteShareGroupOffsets(GroupCalls.group(request), topics).all().get();
        });
        AdminCalls.add(operations, "deleteShareGroup", (admin, request) ->
            admin.deleteShareGroups(List.of(GroupCalls.group(request))).all().get());
    }

    static Object describe(Admin admin, JsonNode request) throws Exception {
        String name = GroupCalls.group(request);
        ShareGroupDescription group = admin.describeShareGroups(List.of(name)).all().get().get(name);
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("state", group.groupState().toString());
        shown.put("coordinator", group.coordinator().id());
        shown.put("epoch", group.groupEpoch());
        shown.put("targetEpoch", group.targetAssignmentEpoch());
        List<Object> members = new ArrayList<>();
        for (ShareMemberDescription member : group.members()) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("id", member.consumerId());
            one.put("client", member.clientId());
            one.put("host", member.host());
            one.put("epoch", member.memberEpoch());
            List<Object> assigned = new ArrayList<>();
            for (TopicPartition partition : member.assignment().topicPartitions())
                assigned.add(List.of(partition.topic(), partition.partition()));
            assigned.sort((a, b) -> a.toString().compareTo(b.toString()));
            one.put("assignment", assigned);
            members.add(one);
        }
        shown.put("members", members);
        return shown;
    }

    /** {"topic-0": [start offset, lag] or null}, of all partitions or of "partitions". */
    static Object offsets(Admin admin, JsonNode request) throws Exception {
        String name = GroupCalls.group(request);
        ListShareGroupOffsetsSpec spec = new ListShareGroupOffsetsSpec();
        if (request.has("partitions")) spec.topicPartitions(DataPath.partitions(request));
        Map<String, Object> shown = new TreeMap<>();
        Map<TopicPartition, SharePartitionOffsetInfo> found =
            admin.listShareGroupOffsets(Map.of(name, spec)).partitionsToOffsetInfo(name).get();
        found.forEach((partition, info) -> {
            List<Object> one = null;
            if (info != null) {
                one = new ArrayList<>();
                one.add(info.startOffset());
                one.add(info.lag().orElse(null));
            }
            shown.put(partition.toString(), one);
        });
        return shown;
    }
}
