import SQLTypes
import Testing

@testable import SQLFunctions

@Suite struct ResolutionTests {
    private static func bind(_ name: String, _ types: SQLType?...) throws -> BoundFunction {
        try FunctionCatalog.builtIn.scalar(name).bind(types.map { $0.map { .type($0) } ?? .null }, typedName: name)
    }

    @Test func `the exact signature is preferred, then one after casts`() throws {
        #expect(try Self.bind("abs", .bigint).returnType == .bigint)
        #expect(try Self.bind("ROUND", .decimal(precision: 5, scale: 2)).returnType == .decimal(precision: 3, scale: 0))
        #expect(try Self.bind("EXP", .decimal(precision: 5, scale: 2)).returnType == .double)
        #expect(
            try Self.bind("GEO_DISTANCE", .double, .bigint, .int, .decimal(precision: 3, scale: 1)).casts.compactMap(
                \.self
            ).count == 3)
        #expect(try Self.bind("ARRAY_MAX", .array(.timestamp)).returnType == .timestamp)
        #expect(
            try Self.bind("GREATEST", .decimal(precision: 4, scale: 2), .decimal(precision: 10, scale: 5), nil)
                .returnType
                == .decimal(precision: 10, scale: 5))
    }

    @Test func `an argument list that fits nothing is told with the alternatives`() {
        #expect {
            try Self.bind("greatest", .string, .int)
        } throws: { error in
            let text = "\(error)"
            return text.hasPrefix(
                "Function 'greatest' does not accept parameters (STRING, INTEGER).\nValid alternatives are:\n")
                && text.contains("GREATEST(INT value, INT... values)")
                && text.hasSuffix("For detailed information on a function run: DESCRIBE FUNCTION <Function-Name>;")
        }
        #expect { try Self.bind("greatest") } throws: {
            "\($0)".hasPrefix("Function 'greatest' does not accept parameters ().")
        }
        #expect {
            try Self.bind("dateadd", .date, .int, .date)
        } throws: { "\($0)".hasPrefix("Function 'dateadd' does not accept parameters (DATE, INTEGER, DATE).") }
    }

    @Test func `several signatures that fit as well are ambiguous`() {
        #expect {
            try Self.bind("least", .int, .bigint, .decimal(precision: 50, scale: 30))
        } throws: {
            "\($0)".hasPrefix(
                "Function 'least' cannot be resolved due to ambiguous method parameters (INTEGER, BIGINT, DECIMAL(50, 30))."
            )
        }
    }

    @Test func `generics are the same type everywhere`() throws {
        #expect(throws: FunctionError.self) { try Self.bind("IFNULL", .int, .string) }
        #expect(try Self.bind("IFNULL", nil, .string).returnType == .string)
        #expect(throws: FunctionError.self) { try Self.bind("IFNULL", nil, nil) }
        #expect(throws: FunctionError.self) { try Self.bind("ARRAY_CONTAINS", .array(.int), .string) }
    }

    @Test func `an unknown name is told`() {
        #expect(throws: FunctionError(.unknownFunction, "Can't find any functions with the name 'WONT_FIND_ME'")) {
            _ = try FunctionCatalog.builtIn.scalar("WONT_FIND_ME")
        }
    }

    @Test func `constants of aggregates must be literals`() throws {
        let function = try FunctionCatalog.builtIn.aggregate("earliest_by_offset")
        #expect(
            throws: FunctionError(
                .invalidArgument,
                "Parameter 2 passed to function EARLIEST_BY_OFFSET must be a literal constant, but was expression: 'F0'"
            )
        ) { _ = try function.bind([.type(.int), .type(.int)], literals: [nil, nil], texts: ["F0", "F0"]) }
        let bound = try function.bind([.type(.int), .type(.int)], literals: [nil, .int(2)])
        #expect(bound.resultType == .array(.int))
        #expect(throws: FunctionError.self) {
            _ = try function.bind([.type(.int), .type(.int)], literals: [nil, .int(0)])
        }
    }

    @Test func `every function is documented`() throws {
        let catalog = FunctionCatalog.builtIn
        for entry in catalog.listing {
            let documentation = try catalog.documentation(of: entry.name.lowercased())
            #expect(documentation.name == entry.name)
            #expect(documentation.overview.hasSuffix("."))
            #expect(!documentation.variations.isEmpty)
        }
        #expect(catalog.kind(of: "topk") == .aggregate)
        #expect(catalog.kind(of: "explode") == .table)
        #expect(catalog.kind(of: "nope") == nil)
    }
}
