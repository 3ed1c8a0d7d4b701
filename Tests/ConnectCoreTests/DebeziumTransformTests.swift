import SQLTypes
import Testing

@testable import ConnectCore

/// Expected results from the documentation of Debezium 3's transforms.
@Suite struct DebeziumTransformTests {
    private static let row = ConnectSchema.structure(
        [.init("id", .int32), .init("name", .optionalString)], name: "p.db.t.Value", isOptional: true)
    private static let source = ConnectSchema.structure(
        [.init("table", .string), .init("ts_ms", .int64)], name: "io.debezium.connector.mysql.Source")
    private static let envelope = ConnectSchema.structure(
        [
            .init("before", row), .init("after", row), .init("source", source), .init("op", .string),
            .init("ts_ms", .optionalInt64),
        ], name: "p.db.t.Envelope", version: 2)

    private static func event(_ op: String, before: String? = nil, after: String? = nil) -> ConnectRecord {
        func value(_ name: String?) -> ConnectValue {
            name.map { .structure(ConnectStruct(row, values: [.int32(1), .string($0)])) } ?? .null
        }
        let key = ConnectSchema.structure([.init("id", .int32)], name: "p.db.t.Key")
        let origin = ConnectStruct(source, values: [.string("t"), .int64(77)])
        return ConnectRecord(
            topic: "p.db.t", key: SchemaAndValue(key, .structure(ConnectStruct(key, values: [.int32(1)]))),
            value: SchemaAndValue(
                envelope,
                .structure(
                    ConnectStruct(
                        envelope, values: [value(before), value(after), .structure(origin), .string(op), .int64(5)]))),
            origin: .source(partition: ConnectMap(), offset: ConnectMap()))
    }

    private static func chain(_ type: String, _ options: [String: String]) throws -> TransformChain {
        var properties = ["transforms": "x", "transforms.x.type": "io.debezium.transforms." + type]
        for (name, value) in options { properties["transforms.x." + name] = value }
        return try TransformChain(properties)
    }

    @Test(arguments: [
        ([:], "tombstone", "tombstone", "drop"), (["delete.tombstone.handling.mode": "drop"], "drop", "drop", "drop"),
        (["delete.tombstone.handling.mode": "rewrite"], "rewrite", "true", "drop"),
        (["delete.tombstone.handling.mode": "rewrite-with-tombstone"], "", "true", "keep"),
        (["delete.tombstone.handling.mode": "delete-to-tombstone"], "", "tombstone", "drop"),
        (["drop.tombstones": "false", "delete.handling.mode": "rewrite"], "", "true", "keep"),
        (["drop.tombstones": "false"], "", "tombstone", "drop"),
        (["drop.tombstones": "true", "delete.handling.mode": "none"], "", "tombstone", "drop"),
    ])
    func `deletes and tombstones`(options: [String: String], _: String, delete: String, tombstone: String) throws {
        let chain = try Self.chain("ExtractNewRecordState", options)
        let deleted = try chain.apply(Self.event("d", before: "gone"))
        let shown = deleted.map { $0.value.value.structure?["__deleted"]?.string ?? "tombstone" } ?? "drop"
        #expect(shown == delete)
        var empty = Self.event("d")
        empty.value = .null
        #expect((try chain.apply(empty) == nil ? "drop" : "keep") == tombstone)
    }

    /// From upstream's `FieldReference.determineStruct`.
    @Test func `fields of the event that are added come from where they belong`() throws {
        let source = ConnectSchema.structure([.init("ts_ms", .int64), .init("ts_us", .int64)], name: "S")
        let transaction = ConnectSchema.structure(
            [.init("id", .string), .init("total_order", .int64)], name: "event.block", isOptional: true)
        let envelope = ConnectSchema.structure(
            [
                .init("after", Self.row), .init("source", source), .init("transaction", transaction),
                .init("op", .string), .init("ts_ms", .int64), .init("ts_us", .int64),
            ], name: "p.db.t.Envelope")
        let event = ConnectStruct(
            envelope,
            values: [
                .structure(ConnectStruct(Self.row, values: [.int32(1), .string("n")])),
                .structure(ConnectStruct(source, values: [.int64(1), .int64(2)])),
                .structure(ConnectStruct(transaction, values: [.string("tx"), .int64(3)])), .string("c"), .int64(4),
                .int64(5),
            ])
        let record = ConnectRecord(
            topic: "p.db.t", value: SchemaAndValue(envelope, .structure(event)),
            origin: .source(partition: ConnectMap(), offset: ConnectMap()))
        let chain = try Self.chain(
            "ExtractNewRecordState", ["add.fields": "op,ts_ms,ts_us,source.ts_ms,id,total_order,nosuch"])
        let row = try #require(try chain.apply(record)?.value.value.structure)
        #expect(row["__op"] == .string("c"))
        #expect(row["__ts_ms"] == .int64(4))
        #expect(row["__ts_us"] == .int64(5))
        #expect(row["__source_ts_ms"] == .int64(1))
        #expect(row["__id"] == .string("tx"))
        #expect(row["__total_order"] == .int64(3))
        #expect(row["__nosuch"] == nil)
    }

    /// As Debezium's `ExtractChangedRecordState`.
    @Test func `headers name what an update changes`() throws {
        func header(_ name: String, _ fields: [String]) -> ConnectHeader {
            ConnectHeader(
                name, ConnectSchema(.array, isOptional: true, name: name, valueSchema: .optionalString),
                .array(fields.map { .string($0) }))
        }
        let chain = try Self.chain(
            "ExtractChangedRecordState", ["header.changed.name": "Changed", "header.unchanged.name": "Unchanged"])
        let update = Self.event("u", before: "a", after: "b")
        let output = try #require(try chain.apply(update))
        #expect(output.headers == [header("Changed", ["name"]), header("Unchanged", ["id"])])
        #expect(output.value == update.value)
        let same = try chain.apply(Self.event("u", before: "a", after: "a"))
        #expect(same?.headers == [header("Changed", []), header("Unchanged", ["id", "name"])])
        var tombstone = Self.event("d")
        tombstone.value = .null
        var other = update
        other.value = SchemaAndValue(
            Self.source, .structure(ConnectStruct(Self.source, values: [.string("t"), .int64(1)])))
        for record in [tombstone, other] { #expect(try chain.apply(record) == record) }
        // As Debezium 3.6 does it: consumers find the headers on every event of a row.
        for record in [Self.event("c", after: "a"), Self.event("d", before: "a"), Self.event("t")] {
            #expect(try chain.apply(record)?.headers == [header("Changed", []), header("Unchanged", [])])
        }
        let one = try Self.chain("ExtractChangedRecordState", ["header.changed.name": "Changed"]).apply(update)
        #expect(one?.headers.map(\.name) == ["Changed"])
        #expect(try Self.chain("ExtractChangedRecordState", [:]).apply(update) == update)
    }

    @Test func `rows are taken out with fields and headers of the event`() throws {
        let chain = try Self.chain(
            "ExtractNewRecordState",
            ["add.fields": "op,table,source.ts_ms:when", "add.headers": "op", "route.by.field": "name"])
        let output = try #require(try chain.apply(Self.event("c", after: "other")))
        let row = try #require(output.value.value.structure)
        #expect(row.schema.fields.map(\.name) == ["id", "name", "__op", "__table", "__when"])
        #expect(row.values == [.int32(1), .string("other"), .string("c"), .string("t"), .int64(77)])
        #expect(row.schema.name == "p.db.t.Value")
        #expect(output.headers == [ConnectHeader("__op", .optionalString, .string("c"))])
        #expect(output.topic == "other")
    }

    /// As Debezium 3.6 does it in a source.
    @Test func `tombstones have the headers of the delete in front`() throws {
        let chain = try Self.chain(
            "ExtractNewRecordState",
            [
                "delete.tombstone.handling.mode": "rewrite-with-tombstone", "add.headers": "op,source.table:tt",
                "add.headers.prefix": "h_",
            ])
        let op = ConnectHeader("h_op", .string, .string("d"))
        var tombstone = Self.event("d")
        tombstone.value = .null
        #expect(try chain.apply(tombstone)?.headers == [op])
        let deleted = try #require(try chain.apply(Self.event("d", before: "gone")))
        #expect(deleted.headers.map(\.name) == ["h_op", "h_tt"])
        #expect(try chain.apply(tombstone)?.headers == [op, ConnectHeader("h_tt", .optionalString, .string("t"))])
        tombstone.key = .null
        #expect(try chain.apply(tombstone)?.headers == [op])
    }

    /// As Debezium 3.6 does it: rows of a log have no `source.snapshot`, whose default says false.
    @Test func `added fields are null where the event has only a default`() throws {
        let source = ConnectSchema.structure(
            [.init("snapshot", ConnectSchema(.string, isOptional: true, defaultValue: .string("false")))])
        let envelope = ConnectSchema.structure(
            [.init("before", Self.row), .init("after", Self.row), .init("source", source), .init("op", .string)],
            name: "p.db.t.Envelope")
        var record = Self.event("c")
        let row = ConnectStruct(Self.row, values: [.int32(1), .null])
        let place = ConnectStruct(source, values: [.null])
        record.value = SchemaAndValue(
            envelope,
            .structure(
                ConnectStruct(
                    envelope,
                    values: [.null, .structure(row), .structure(place), .string("c")])))
        let chain = try Self.chain("ExtractNewRecordState", ["add.fields": "source.snapshot"])
        let output = try #require(try chain.apply(record)?.value.value.structure)
        #expect(output.schema.fields.map(\.name) == ["id", "name", "__source_snapshot"])
        #expect(output.values == [.int32(1), .null, .null])
    }

    /// As Debezium 3.6 does it: the mark of rows that may be deleted reads defaults in the place of nulls.
    @Test(arguments: [
        (["delete.tombstone.handling.mode": "rewrite"], ConnectValue.int32(5)),
        (["delete.tombstone.handling.mode": "rewrite", "replace.null.with.default": "false"], .null), ([:], .null),
    ])
    func `nulls count as defaults where deletes are rewritten`(options: [String: String], expected: ConnectValue) throws
    {
        let row = ConnectSchema.structure(
            [.init("n", ConnectSchema(.int32, isOptional: true, defaultValue: .int32(5)))], name: "R", isOptional: true)
        let envelope = ConnectSchema.structure(
            [.init("before", row), .init("after", row), .init("op", .string)], name: "p.db.t.Envelope")
        let after = ConnectStruct(row, values: [.null])
        var record = Self.event("c")
        record.value = SchemaAndValue(
            envelope, .structure(ConnectStruct(envelope, values: [.null, .structure(after), .string("c")])))
        let output = try Self.chain("ExtractNewRecordState", options).apply(record)
        #expect(output?.value.value.structure?.values.first == expected)
    }

    /// As Debezium 3.6 does it: what is no event of a row goes to the topic with the value that it has.
    @Test func `only events of rows are renamed`() throws {
        let chain = try Self.chain("ByLogicalTableRouter", ["topic.regex": ".*", "topic.replacement": "all"])
        let schema = ConnectSchema.structure([.init("status", .string)], name: "io.debezium.TransactionMetadataValue")
        var record = Self.event("c", after: "a")
        record.value = SchemaAndValue(schema, .structure(ConnectStruct(schema, values: [.string("BEGIN")])))
        let output = try #require(try chain.apply(record))
        #expect(output.topic == "all")
        #expect(output.key.schema?.name == "all.Key")
        #expect(output.value == record.value)
    }

    /// As Debezium 3.6 does it: what is no event of a row passes.
    @Test func `messages of the log are no rows of an outbox`() throws {
        let schema = ConnectSchema.structure(
            [.init("op", .string)], name: "io.debezium.connector.postgresql.MessageValue")
        let record = ConnectRecord(
            topic: "p.message",
            value: SchemaAndValue(schema, .structure(ConnectStruct(schema, values: [.string("m")]))),
            origin: .source(partition: ConnectMap(), offset: ConnectMap()))
        #expect(try Self.chain("outbox.EventRouter", [:]).apply(record) == record)
    }

    /// As Debezium 3.6 does it: what an event does not have is left out, but a route has to be there.
    @Test func `fields that are not there are not added`() throws {
        let chain = try Self.chain(
            "ExtractNewRecordState", ["add.fields": "nosuch,op", "add.headers": "nosuch,source.ts_ms"])
        let output = try #require(try chain.apply(Self.event("c", after: "a")))
        #expect(output.value.value.structure?.schema.fields.map(\.name) == ["id", "name", "__op"])
        #expect(output.headers == [ConnectHeader("__source_ts_ms", .optionalInt64, .int64(77))])
        let deleted = try #require(try chain.apply(Self.event("d", before: "a")))
        #expect(deleted.value == SchemaAndValue(Self.row, .null))
        #expect(deleted.headers == output.headers)
        for (field, message) in [
            ("nosuch", "nosuch is not a valid field name"), ("id", "Field 'id' is not of type STRING"),
        ] {
            let chain = try Self.chain("ExtractNewRecordState", ["route.by.field": field])
            for event in [Self.event("c", after: "a"), Self.event("d", before: "a")] {
                let error = #expect(throws: ConnectError.self) { try chain.apply(event) }
                #expect(error?.message == message)
            }
        }
    }

    @Test func `names of shards are changed to those that Avro takes`() throws {
        let chain = try Self.chain(
            "ByLogicalTableRouter",
            ["topic.regex": "(.*)\\.t", "topic.replacement": "$1-all", "schema.name.adjustment.mode": "avro"])
        let output = try #require(try chain.apply(Self.event("c", after: "n")))
        #expect(output.topic == "p.db-all")
        #expect(output.key.schema?.name == "p.db_all.Key")
        #expect(output.value.schema?.name == "p.db_all.Envelope")
    }

    @Test func `shards go into one topic`() throws {
        let chain = try Self.chain(
            "ByLogicalTableRouter", ["topic.regex": "(.*)\\.t\\d*", "topic.replacement": "$1.all"])
        let output = try #require(try chain.apply(Self.event("c", after: "n")))
        #expect(output.topic == "p.db.all")
        #expect(output.key.schema?.name == "p.db.all.Key")
        #expect(output.key.value.structure?["__dbz__physicalTableIdentifier"] == .string("p.db.t"))
        #expect(output.value.schema?.name == "p.db.all.Envelope")
        #expect(output.value.value.structure?["after"]?.structure?.schema.name == "p.db.all.Value")
    }

    @Test func `rows of an outbox become messages`() throws {
        let row = ConnectSchema.structure(
            [
                .init("id", .string), .init("aggregatetype", .string), .init("aggregateid", .string),
                .init("type", .string), .init("payload", .optionalString),
            ], name: "o.Value", isOptional: true)
        let envelope = ConnectSchema.structure(
            [.init("before", row), .init("after", row), .init("op", .string), .init("ts_ms", .int64)],
            name: "o.Envelope")
        let value = ConnectStruct(
            row,
            values: [
                .string("e1"), .string("order"), .string("7"), .string("Created"),
                .string(#"{"a":1,"b":[true],"c":{},"d":[{"x":1},{"y":2}],"e":[],"f":null}"#),
            ])
        let record = ConnectRecord(
            topic: "outbox",
            value: SchemaAndValue(
                envelope,
                .structure(ConnectStruct(envelope, values: [.null, .structure(value), .string("c"), .int64(9)]))),
            headers: [ConnectHeader("kept", .string, .string("x"))],
            origin: .source(partition: ConnectMap(), offset: ConnectMap()))
        let chain = try Self.chain(
            "outbox.EventRouter",
            ["table.expand.json.payload": "true", "table.fields.additional.placement": "type:header:eventType"])
        let output = try #require(try chain.apply(record))
        #expect(output.topic == "outbox.event.order")
        #expect(output.key.value == .string("7"))
        #expect(output.headers.map(\.name) == ["kept", "id", "eventType"])
        #expect(output.value.value.structure?["a"] == .int32(1))
        #expect(output.value.value.structure?["b"] == .array([.boolean(true)]))
        #expect(output.value.schema?.name == "payload")
        #expect(output.value.schema?.fields.map(\.name) == ["a", "b", "c", "d"])
        #expect(output.value.schema?.field("c")?.schema.name == "payload.c")
        let element = output.value.schema?.field("d")?.schema.valueSchema
        #expect(element?.name == "payload.d")
        #expect(element?.fields.map(\.name) == ["x", "y"])
        #expect(output.timestamp == 9)
    }

    private static func outbox(
        _ options: [String: String], type: String = "order", payload: ConnectValue = .string("p")
    ) throws -> ConnectRecord {
        let micros = ConnectSchema(.int64, name: "io.debezium.time.MicroTimestamp", version: 1)
        let row = ConnectSchema.structure(
            [
                .init("id", .string), .init("aggregatetype", .string), .init("aggregateid", .string),
                .init("payload", .optionalString), .init("v", .int32), .init("at", micros),
            ], name: "s.public.outbox.Value", isOptional: true)
        let envelope = ConnectSchema.structure(
            [.init("before", row), .init("after", row), .init("op", .string), .init("ts_ms", .int64)],
            name: "o.Envelope")
        let value = ConnectStruct(
            row, values: [.string("e1"), .string(type), .string("7"), payload, .int32(3), .int64(5_000_000)])
        let event = ConnectStruct(envelope, values: [.null, .structure(value), .string("c"), .int64(9)])
        let record = ConnectRecord(
            topic: "outbox", value: SchemaAndValue(envelope, .structure(event)),
            origin: .source(partition: ConnectMap(), offset: ConnectMap()))
        return try #require(try Self.chain("outbox.EventRouter", options).apply(record))
    }

    /// From upstream's `EventRouterDelegate`.
    @Test func `an outbox names topics, schemas and times by its columns`() throws {
        let other = try Self.outbox(["route.topic.regex": "cart-(.*)", "route.topic.replacement": "carts.$1"])
        #expect(other.topic == "order")
        #expect(try Self.outbox(["table.field.event.timestamp": "at"]).timestamp == 5000)
        let version = ["table.field.event.schema.version": "v"]
        #expect(try Self.outbox(version).value.schema == .optionalString)
        let placed = version.merging(["table.fields.additional.placement": "id:envelope"]) { $1 }
        let schema = try Self.outbox(placed).value.schema
        #expect(schema?.name == "s.public.outbox.order.Value")
        #expect(schema?.version == 3)
        #expect(schema?.fields.map(\.name) == ["payload", "id"])
        let missing = ["table.fields.additional.placement": "nosuch:header"]
        #expect(throws: ConnectError.self) { try Self.outbox(missing) }
        for (option, value) in [
            ("table.fields.additional.error.on.missing", "false"), ("table.field.additional.missing", "ignore"),
            ("table.field.additional.missing", "IGNORE"),
        ] {
            let tolerant = missing.merging([option: value]) { $1 }
            #expect(try Self.outbox(tolerant).headers.map(\.name) == ["id"])
        }
        #expect(throws: ConnectError.self) { try Self.outbox(["table.field.additional.missing": "nothing"]) }
        let spaced = try Self.outbox(["table.expand.json.payload": "true"], payload: .string(#" {"a":1}"#))
        #expect(spaced.value.value == .string(#" {"a":1}"#))
        for field in ["payload", "v"] {
            // Neither what is null nor what is no text names a topic.
            #expect(throws: ConnectError.self) { try Self.outbox(["route.by.field": field], payload: .null) }
        }
        let empty = try Self.outbox(["route.tombstone.on.empty.payload": "true"], payload: .string(" "))
        #expect(empty.value.value.isNull && empty.value.schema == nil)
    }

    /// As Debezium 3.6 does it.
    @Test func `headers become fields of the value`() throws {
        let list = ConnectSchema(.array, isOptional: true, name: "Changed", valueSchema: .optionalString)
        var update = Self.event("u", before: "a", after: "b")
        update.headers = [
            ConnectHeader("Changed", list, .array([.string("name")])), ConnectHeader("kept", .string, .string("k")),
            ConnectHeader("n", .int32, .int32(1)), ConnectHeader("n", .int32, .int32(7)),
        ]
        func chain(_ fields: String, _ operation: String = "move") throws -> TransformChain {
            try Self.chain("HeaderToValue", ["headers": "Changed,n", "fields": fields, "operation": operation])
        }
        let moved = try #require(try chain("changed,added").apply(update))
        #expect(moved.headers.map(\.name) == ["kept"])
        let value = try #require(moved.value.value.structure)
        #expect(value.schema.fields.map(\.name) == Self.envelope.fields.map(\.name) + ["changed", "added"])
        #expect(value["changed"] == .array([.string("name")]))
        #expect(value["added"] == .int32(7))
        #expect(value.schema.field("changed")?.schema == list)
        #expect(value.schema.name == "p.db.t.Envelope" && value.schema.version == 2)
        #expect(value["after"] == update.value.value.structure?["after"])

        let nested = try #require(try chain("source.changed,new.inner.n", "copy").apply(update))
        #expect(nested.headers == update.headers)
        let inner = try #require(nested.value.value.structure)
        #expect(inner["source"]?.structure?["changed"] == .array([.string("name")]))
        #expect(inner["source"]?.structure?["table"] == .string("t"))
        #expect(inner["new"]?.structure?["inner"]?.structure?["n"] == .int32(7))
        try inner.schema.check(nested.value.value)

        var deleted = Self.event("d", before: "a")
        deleted.headers = update.headers
        let without = try #require(try chain("after.changed,after.n").apply(deleted))
        #expect(without.value.value.structure?["after"] == .null)
        try #require(without.value.schema).check(without.value.value)

        var tombstone = update
        tombstone.value = .null
        let plain = Self.event("u", before: "a", after: "b")
        for record in [tombstone, plain] { #expect(try chain("a,b").apply(record) == record) }
    }

    @Test(arguments: [
        ["headers": "a,b", "fields": "x", "operation": "move"], ["headers": "a", "fields": "x", "operation": "mov"],
        ["headers": "a b", "fields": "x", "operation": "move"], ["fields": "x", "operation": "copy"],
    ])
    func `headers and fields have to go together`(options: [String: String]) {
        #expect(throws: ConnectError.self) { try Self.chain("HeaderToValue", options) }
    }

    /// Seen with Debezium 3.6.
    @Test(
        arguments: [
            ("change.name", "7", "c", nil, "b", 0), ("change.name", "7", "d", "bob", nil, 4),
            ("change.name", "7", "r", nil, "Ünï😀", 4), ("after.id", "101", "u", "a", "b", 1),
            ("source.ts_ms", "101", "u", "a", "b", 77), ("op", "101", "u", "a", "b", 16),
            ("change.id,change.name", "101", "c", nil, "b", 99), ("source.table, op", "101", "c", nil, "b", 13),
            ("change.id,after.nope", "101", "c", nil, "b", 1), ("after.nope", "101", "c", nil, "b", nil),
            ("nope.x", "101", "c", nil, "b", nil), ("op", "3", "t", nil, nil, nil),
            ("before.name", "101", "c", nil, "b", nil),
        ] as [(String, String, String, String?, String?, Int32?)])
    func `fields name the partition`(
        fields: String, count: String, op: String, before: String?, after: String?, partition: Int32?
    ) throws {
        let chain = try Self.chain(
            "partitions.PartitionRouting", ["partition.payload.fields": fields, "partition.topic.num": count])
        #expect(try chain.apply(Self.event(op, before: before, after: after))?.partition == partition)
    }

    /// `hashCode` of Java's classes, seen as the partition of 1 000 003.
    @Test(
        arguments: [
            (.boolean(true), 1231), (.int8(-3), 477_204), (.int16(-300), 476_907), (.float32(1.5), 544_313),
            (.float64(-0.1), 629_446), (.int64(-5_000_000_000), 30_587), (.instant(86_400_000 * 19_000), 490_544),
            (.decimal(SQLDecimal(unscaled: -1230, scale: 2)), 439_079), (.int32(-1), 0), (.int32(.max), 0),
        ] as [(ConnectValue, Int32)])
    func `hashes are those of Java`(value: ConnectValue, partition: Int32) throws {
        let hash = try #require(PartitionRouting.hash(value))
        #expect(PartitionRouting.partition(hash, 1_000_003) == partition)
    }

    @Test(arguments: [
        ["partition.payload.fields": "op", "partition.topic.num": "0"], ["partition.payload.fields": "op"],
        ["partition.payload.fields": "a,,b", "partition.topic.num": "2"],
        ["partition.payload.fields": "op", "partition.topic.num": "2", "partition.hash.function": "murmur"],
    ])
    func `partitions have to be told`(options: [String: String]) {
        #expect(throws: ConnectError.self) { try Self.chain("partitions.PartitionRouting", options) }
    }

    @Test(arguments: [
        ("value.op == 'c' && value.after.id == 1", true), ("value.op == 'u'", false),
        ("value.before?.id > 2 || topic.startsWith(\"p.\")", true), ("!(value.after.name in ['a', 'n'])", false),
        ("value.source.table ==~ /t.*/ ? false : true".replacing("/t.*/", with: "'t.*'"), false),
        ("valueSchema.name == 'p.db.t.Envelope' && key.id + 1 == 2", true),
        ("value.after.name.length() * 3 >= 3", true),
    ])
    func `expressions filter`(condition: String, isKept: Bool) throws {
        let chain = try Self.chain("Filter", ["language": "jsr223.groovy", "condition": condition])
        #expect((try chain.apply(Self.event("c", after: "n")) != nil) == isKept)
    }

    @Test(arguments: ["value.", "foo == 1", "value.op = 'c'", "(value", "'open", "value.op == 'c' extra"])
    func `expressions that are none are refused`(condition: String) {
        #expect(throws: ConnectError.self) { try Self.chain("Filter", ["condition": condition]) }
    }

    // MARK: times in another zone

    private static let times = ConnectSchema.structure(
        [
            .init(
                "micros", ConnectSchema(.int64, isOptional: true, name: "io.debezium.time.MicroTimestamp", version: 1)),
            .init("nanos", ConnectSchema(.int64, isOptional: true, name: "io.debezium.time.NanoTimestamp", version: 1)),
            .init("millis", ConnectSchema(.int64, isOptional: true, name: "io.debezium.time.Timestamp", version: 1)),
            .init(
                "zoned", ConnectSchema(.string, isOptional: true, name: "io.debezium.time.ZonedTimestamp", version: 1)),
            .init("time", ConnectSchema(.string, isOptional: true, name: "io.debezium.time.ZonedTime", version: 1)),
            .init("connect", .optionalTimestamp),
            .init("day", ConnectSchema(.int32, isOptional: true, name: "io.debezium.time.Date", version: 1)),
        ], name: "p.db.t.Value", isOptional: true)

    /// January 11th, 2011, 16:40:30.123 as a wall shows it, and the same moment with a zone.
    private static let shown: [ConnectValue] = [
        .int64(1_294_764_030_123_000), .int64(1_294_764_030_123_456_789), .int64(1_294_764_030_123),
        .string("2011-01-11T16:40:30.123456789+05:30"), .string("11:15:30.123789+05:30"), .instant(1_294_764_030_123),
        .int32(14_985),
    ]

    private static func zoned(_ options: [String: String]) throws -> [ConnectValue] {
        let envelope = ConnectSchema.structure(
            [.init("before", times), .init("after", times), .init("source", source), .init("op", .string)],
            name: "p.db.t.Envelope")
        let row = ConnectValue.structure(ConnectStruct(times, values: shown))
        let origin = ConnectStruct(source, values: [.string("t"), .int64(77)])
        var record = event("c")
        record.value = SchemaAndValue(
            envelope,
            .structure(ConnectStruct(envelope, values: [.null, row, .structure(origin), .string("c")])))
        let output = try #require(try chain("TimezoneConverter", options).apply(record))
        return try #require(output.value.value.structure?["after"]?.structure?.values)
    }

    /// By hand: walls at +05:30 are that much earlier in UTC; moments stay.
    @Test func `times in the zone that is named`() throws {
        let values = try Self.zoned(["converted.timezone": "+05:30"])
        let early: Int64 = 19_800
        #expect(values[0] == .int64(1_294_764_030_123_000 - early * 1_000_000))
        #expect(values[1] == .int64(1_294_764_030_123_456_789 - early * 1_000_000_000))
        #expect(values[2] == .int64(1_294_764_030_123 - early * 1000))
        #expect(values[3...4] == Self.shown[3...4])
        #expect(values[5] == .instant(1_294_764_030_123 - early * 1000))
        #expect(values[6] == Self.shown[6])
        let pacific = try Self.zoned(["converted.timezone": "America/Los_Angeles"])
        #expect(pacific[2] == .int64(1_294_764_030_123 + 28_800_000))
        #expect(pacific[3] == .string("2011-01-11T03:10:30.123456789-08:00"))
        let utc = try Self.zoned(["converted.timezone": "UTC"])
        #expect(utc[3] == .string("2011-01-11T11:10:30.123456789Z"))
        #expect(utc[4] == .string("05:45:30.123789Z"))
    }

    @Test(arguments: [
        (["include.list": "source:t:millis"], [2]), (["include.list": "source:t:after.millis,nosuch:x"], [2]),
        (["include.list": "source:t"], [0, 1, 2, 5]), (["include.list": "topic:x"], []),
        (["include.list": "t:micros,t:millis"], [0, 2]), (["include.list": "source:t:before.millis"], []),
        (["exclude.list": "source:t:micros"], [1, 2, 5]), (["exclude.list": "source:t"], []),
        (["exclude.list": "source:other"], [0, 1, 2, 5]),
    ])
    func `fields by table and topic`(options: [String: String], changed: [Int]) throws {
        let values = try Self.zoned(options.merging(["converted.timezone": "+05:30"]) { $1 })
        #expect(values.indices.filter { values[$0] != Self.shown[$0] } == changed)
    }

    @Test(arguments: [
        ["converted.timezone": "Mars/Base"], ["converted.timezone": "+5"], [:], ["converted.timezone": ""],
        ["converted.timezone": "UTC", "include.list": "source"],
        ["converted.timezone": "UTC", "include.list": "source:a", "exclude.list": "source:b"],
    ])
    func `zones and lists that are none`(options: [String: String]) {
        #expect(throws: ConnectError.self) { try Self.chain("TimezoneConverter", options) }
    }

    // MARK: other events

    private static func other(_ type: String, _ options: [String: String]) throws -> TransformChain {
        var properties = ["transforms": "x", "transforms.x.type": type]
        for (name, value) in options { properties["transforms.x." + name] = value }
        return try TransformChain(properties)
    }

    @Test func `rows that were read as insertions`() throws {
        let chain = try Self.other("io.debezium.connector.mysql.transforms.ReadToInsertEvent", [:])
        for (given, expected) in [("r", "c"), ("u", "u"), ("d", "d")] {
            let output = try chain.apply(Self.event(given, after: "a"))
            #expect(output?.value.value.structure?["op"] == .string(expected))
        }
    }

    @Test(
        arguments: [
            (["CREATE"], "CREATE,ALTER", true), (["ALTER"], "CREATE", false), ([], "DATABASE", true),
            ([], "CREATE", false),
        ] as [([String], String, Bool)])
    func `definitions by their kind`(kinds: [String], list: String, passes: Bool) throws {
        let table = ConnectSchema.structure([.init("type", .string)])
        let schema = ConnectSchema.structure(
            [.init("tableChanges", .array(table))], name: "io.debezium.connector.mysql.SchemaChangeValue")
        var record = Self.event("c")
        let changes = kinds.map { ConnectValue.structure(ConnectStruct(table, values: [.string($0)])) }
        record.value = SchemaAndValue(schema, .structure(ConnectStruct(schema, values: [.array(changes)])))
        let options = ["schema.change.event.include.list": list]
        #expect((try Self.chain("SchemaChangeEventFilter", options).apply(record) != nil) == passes)
        #expect(try Self.chain("SchemaChangeEventFilter", options).apply(Self.event("c")) != nil)
        #expect(throws: ConnectError.self) {
            try Self.chain("SchemaChangeEventFilter", ["schema.change.event.include.list": "MAKE"])
        }
    }

    @Test func `messages of the log as rows`() throws {
        let block = ConnectSchema.structure([.init("prefix", .optionalString), .init("content", .optionalBytes)])
        let schema = ConnectSchema.structure(
            [.init("op", .string), .init("ts_ms", .optionalInt64), .init("message", block)],
            name: "io.debezium.connector.postgresql.MessageValue")
        func record(_ content: String) -> ConnectRecord {
            var record = Self.event("c")
            let message = ConnectStruct(block, values: [.string("p"), .bytes(Array(content.utf8))])
            record.value = SchemaAndValue(
                schema, .structure(ConnectStruct(schema, values: [.string("m"), .int64(5), .structure(message)])))
            return record
        }
        let type = "io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent"
        let given = record(#"{"id": 1, "sub": {"a": "x"}, "none": null}"#)
        let output = try #require(try Self.other(type, [:]).apply(given))
        let event = try #require(output.value.value.structure)
        #expect(event.schema.name == "io.debezium.connector.postgresql.MessageValue.Envelope")
        #expect(event.schema.fields.map(\.name) == ["op", "ts_ms", "after"])
        #expect(event["op"] == .string("c"))
        #expect(output.key == .null)
        let row = try #require(event["after"]?.structure)
        #expect(row.schema.fields.map(\.name) == ["id", "sub"])
        #expect(row["sub"]?.structure?.schema.name == "sub")
        let nulls = try Self.other(type, ["fields.null.include": "true"]).apply(given)
        #expect(nulls?.value.value.structure?["after"]?.structure?.schema.field("none")?.schema == .optionalBytes)
        for content in ["text", "{", "[1]"] {
            let error = #expect(throws: ConnectError.self) { try Self.other(type, [:]).apply(record(content)) }
            #expect(error?.message.hasPrefix("Unable to parse logical decoding message content JSON string") == true)
        }
        #expect(try Self.other(type, [:]).apply(Self.event("c", after: "a")) == Self.event("c", after: "a"))
    }

    @Test func `vectors as JSON`() throws {
        let vector = ConnectSchema(
            .array, isOptional: true, name: "io.debezium.data.FloatVector", version: 1, valueSchema: .float32)
        let sparse = ConnectSchema(
            .structure, isOptional: true, name: "io.debezium.data.SparseDoubleVector", version: 1,
            fields: [.init("dimensions", .int16), .init("vector", .map(.int16, .float64))])
        let row = ConnectSchema.structure([.init("v", vector), .init("s", sparse)], isOptional: true)
        let schema = ConnectSchema.structure([.init("id", .int32), .init("after", row)])
        let parts = ConnectMap([(ConnectValue.int16(20), ConnectValue.float64(2)), (.int16(3), .float64(0.5))])
        let values: [ConnectValue] = [
            .array([.float32(1.5), .float32(-2)]),
            .structure(ConnectStruct(sparse, values: [.int16(25), .map(parts)])),
        ]
        var record = Self.event("c")
        record.value = SchemaAndValue(
            schema,
            .structure(ConnectStruct(schema, values: [.int32(1), .structure(ConnectStruct(row, values: values))])))
        let output = try Self.chain("VectorToJsonConverter", [:]).apply(record)?.value.value.structure?["after"]?
            .structure
        #expect(output?["v"] == .string("{ \"values\": [1.5, -2.0] }"))
        #expect(output?["s"] == .string("{ \"dimensions\": 25, \"vector\": { \"3\": 0.5, \"20\": 2.0 } }"))
        #expect(output?.schema.field("v")?.schema.name == "io.debezium.data.Json")
    }
}
