"""Transactions request by request, and what a log says of them."""

import struct

from wire import REQUESTS, batch, batch_heads, fetch, list_offset

TRANSACTIONAL, CONTROL = 1 << 4, 1 << 5


class Transaction:
    """A transactional producer on one connection. `version` picks the generation of requests: "old" is what
    librdkafka sends (the client adds partitions, KIP-98), "new" is KIP-890's second part (the broker adds them)."""

    def __init__(self, connection, name, generation="old", timeout=60_000, start=True):
        self.connection, self.name, self.new = connection, name, generation == "new"
        self.id, self.epoch, self.sequences, self.timeout = -1, -1, {}, timeout
        if start:
            code = self.start()
            assert code == 0, code

    def start(self, version=None, timeout=None, current=False):
        """InitProducerId; waits out CONCURRENT_TRANSACTIONS."""
        version = (5 if self.new else 4) if version is None else version
        fields = {}
        if version >= 3:
            fields = {
                "producer_id": self.id if current else -1, "producer_epoch": self.epoch if current else -1,
            }  # fmt: skip
        from process import wait_until

        def ask():
            request = REQUESTS[22](
                version=version, transactional_id=self.name, transaction_timeout_ms=timeout or self.timeout, **fields
            )
            answer = self.connection.call(request)
            return answer if answer.error_code not in (14, 15, 16, 51) else None

        answer = wait_until(ask, 20, "an end of the earlier transaction")
        if answer.error_code == 0:
            self.id, self.epoch, self.sequences = answer.producer_id, answer.producer_epoch, {}
        return answer.error_code

    def add(self, topic, partitions=(0,), version=3):
        """AddPartitionsToTxn as clients send it; {partition: error}."""
        request = REQUESTS[24]
        if version >= 4:
            one = request.AddPartitionsToTxnTransaction
            topics = [one.AddPartitionsToTxnTopic(name=topic, partitions=list(partitions))]
            sent = one(
                transactional_id=self.name, producer_id=self.id, producer_epoch=self.epoch, verify_only=False,
                topics=topics,
            )  # fmt: skip
            answer = self.connection.call(request(version=version, transactions=[sent]))
            results = answer.results_by_transaction[0].topic_results
        else:
            topics = [request.AddPartitionsToTxnTopic(name=topic, partitions=list(partitions))]
            answer = self.connection.call(
                request(
                    version=version, v3_and_below_transactional_id=self.name, v3_and_below_producer_id=self.id,
                    v3_and_below_producer_epoch=self.epoch, v3_and_below_topics=topics,
                )
            )  # fmt: skip
            results = answer.results_by_topic_v3_and_below
        return {
            p.partition_index: p.partition_error_code for t in results for p in t.results_by_partition
        }  # fmt: skip

    def write(self, topic, values, partition=0, version=None, identifier=None):
        """(error, base offset). The sequence moves on only when the records were taken."""
        version = (12 if self.new else 9) if version is None else version
        sequence = self.sequences.get((topic, partition), 0)
        data = batch(values, self.id, self.epoch, sequence, TRANSACTIONAL)
        request = REQUESTS[0]
        part = request.TopicProduceData.PartitionProduceData(index=partition, records=data)
        target = {"topic_id": identifier} if version >= 13 else {"name": topic}
        answer = self.connection.call(
            request(
                version=version, transactional_id=self.name, acks=-1, timeout_ms=10_000,
                topic_data=[request.TopicProduceData(partition_data=[part], **target)],
            )
        )  # fmt: skip
        found = answer.responses[0].partition_responses[0]
        if found.error_code == 0:
            self.sequences[(topic, partition)] = sequence + len(values)
        return found.error_code, found.base_offset

    def send(self, topic, values, partition=0):
        """Adds the partition as a client of this generation does, and writes; the base offset."""
        if not self.new:
            assert self.add(topic, [partition]) == {partition: 0}
        code, offset = self.write(topic, values, partition)
        assert code == 0, code
        return offset

    def add_offsets(self, group, version=3):
        request = REQUESTS[25]
        return self.connection.call(
            request(
                version=version, transactional_id=self.name, producer_id=self.id, producer_epoch=self.epoch,
                group_id=group,
            )
        ).error_code  # fmt: skip

    def commit_offsets(self, group, topic, offset, version=None, generation=-1, member=""):
        version = (5 if self.new else 3) if version is None else version
        request = REQUESTS[28]
        topic_class = request.TxnOffsetCommitRequestTopic
        part = topic_class.TxnOffsetCommitRequestPartition(
            partition_index=0, committed_offset=offset, committed_metadata="",
            **({"committed_leader_epoch": -1} if version >= 2 else {}),
        )  # fmt: skip
        fields = {"generation_id": generation, "member_id": member, "group_instance_id": None} if version >= 3 else {}
        answer = self.connection.call(
            request(
                version=version, transactional_id=self.name, group_id=group, producer_id=self.id,
                producer_epoch=self.epoch, topics=[topic_class(name=topic, partitions=[part])], **fields,
            )
        )  # fmt: skip
        return answer.topics[0].partitions[0].error_code

    def end(self, commit=True, version=None):
        """EndTxn's error; a new generation's epoch is taken over."""
        version = (5 if self.new else 3) if version is None else version
        answer = self.connection.call(
            REQUESTS[26](
                version=version, transactional_id=self.name, producer_id=self.id, producer_epoch=self.epoch,
                committed=commit,
            )
        )  # fmt: skip
        if answer.error_code == 0 and version >= 5 and answer.producer_id >= 0:
            self.id, self.epoch, self.sequences = answer.producer_id, answer.producer_epoch, {}
        return answer.error_code

    def commit(self):
        code = self.end()
        assert code == 0, code

    def abort(self):
        code = self.end(False)
        assert code == 0, code


def decode_values(data):
    """[(offset, value)] of uncompressed batches, control batches left out; plus the control batches as
    [(offset, producer id, "commit" or "abort")]."""
    from wire import Reader

    values, markers, at = [], [], 0
    data = bytes(data or b"")
    for head in batch_heads(data):
        reader = Reader(data[at + 61 : at + 12 + head.byte_count])
        at += 12 + head.byte_count
        for _ in range(head.count):
            reader.varint()
            reader.i8()
            reader.varint()
            offset = head.base_offset + reader.varint()
            count = reader.varint()
            key = None if count < 0 else reader.take(count)
            count = reader.varint()
            value = None if count < 0 else reader.take(count)
            for _ in range(reader.varint()):
                reader.take(reader.varint())
                reader.take(max(0, reader.varint()))
            if head.attributes & CONTROL:
                kind = struct.unpack(">hh", key)[1]
                markers.append((offset, head.producer_id, {0: "abort", 1: "commit"}.get(kind, kind)))
            else:
                values.append((offset, head.producer_id, value))
    return values, markers


def read(connection, topic, committed=True, partition=0, start=0, **options):
    """What a careful client makes of a partition: the values from `start`, aborted ones filtered when `committed`."""
    found, offset = [], start
    while True:
        answer = fetch(connection, topic, offset, partition, isolation=int(committed), **options)
        assert answer.error_code == 0, answer.error_code
        values, markers = decode_values(answer.records)
        heads = batch_heads(answer.records)
        if not heads:
            return found
        aborted = sorted((a.first_offset, a.producer_id) for a in answer.aborted_transactions or [])
        active, events = set(), sorted([(o, 0, p, v) for o, p, v in values] + [(o, 1, p, k) for o, p, k in markers])
        for at, marker, producer, content in events:
            while committed and aborted and aborted[0][0] <= at:
                active.add(aborted.pop(0)[1])
            if marker:
                if content == "abort":
                    active.discard(producer)
            elif producer not in active and at >= offset:
                found.append(content)
        # Compaction leaves batches without records.
        offset = heads[-1].base_offset + heads[-1].last_offset_delta + 1


def stable_offset(connection, topic, partition=0):
    """(last stable offset, high watermark) by Fetch and by ListOffsets, which must agree.

    A transaction may end between the questions: then they are asked once more.
    """
    for _ in range(2):
        answer = fetch(connection, topic, 0, partition, isolation=1)
        committed = list_offset(connection, topic, -1, partition, isolation=1)
        end = list_offset(connection, topic, -1, partition)
        if (answer.last_stable_offset, answer.high_watermark) == (committed[2], end[2]):
            return committed[2], end[2]
    raise AssertionError(f"fetch: {answer.last_stable_offset}, {answer.high_watermark}; offsets: {committed}, {end}")
