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
        #expect(row["__ts_us"] == .int64(2))
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
        for record in [Self.event("c", after: "a"), Self.event("d", before: "a"), tombstone] {
            #expect(try chain.apply(record) == record)
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
        let tolerant = missing.merging(["table.fields.additional.error.on.missing": "false"]) { $1 }
        #expect(try Self.outbox(tolerant).headers.map(\.name) == ["id"])
        let empty = try Self.outbox(["route.tombstone.on.empty.payload": "true"], payload: .string(" "))
        #expect(empty.value.value.isNull && empty.value.schema == nil)
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
}
