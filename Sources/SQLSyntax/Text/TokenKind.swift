/// What a token is. The order is that of ksqlDB's grammar: lists of expected tokens are printed in it.
enum TokenKind: UInt8, CaseIterable {
    case semicolon, leftParenthesis, comma, rightParenthesis, dot, leftBracket, rightBracket

    // Words.
    case string, emit, changes, final, select, from, `as`, all, distinct, `where`, within, window, group, by, having,
        limit,
        at, or, and, `in`, not, exists, between, like, escape, `is`, null, `true`, `false`, integer, date, time,
        timestamp,
        interval, year, month, day, hour, minute, second, millisecond, years, months, days, hours, minutes, seconds,
        milliseconds, zone, tumbling, hopping, size, advance, retention, grace, period, `case`, when, then, `else`, end,
        join,
        full, outer, inner, left, right, on, partition, `struct`, with, values, create, table, topic, stream, streams,
        insert,
        delete, into, describe, extended, print, explain, analyze, type, types, cast, show, list, tables, topics, query,
        queries, terminate, pause, resume, load, columns, column, partitions, functions, function, drop, to, rename,
        array,
        map, set, define, undefine, reset, session, sample, export, catalog, properties, beginning, unset, run, script,
        decimal, key, connector, connectors, sink, source, namespace, materialized, view, primary, replace, assert, add,
        alter, variables, plugins, headers, header, system, timeout, schema, subject, id, `if`

    // Signs.
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, plus, minus, asterisk, slash, percent, concat,
        assign,
        arrow, lambda

    // Kinds of text.
    case text, integerValue, decimalValue, floatingPointValue, identifier, digitIdentifier, quotedIdentifier,
        backquotedIdentifier, variable, endOfText, unrecognized, unterminated

    // Words that are none for ksqlDB and mean something in one place only.
    case order, ascending, descending, spool, off

    // What is expected where many tokens would do.
    case anExpression

    var isWord: Bool { TokenKind.string.rawValue...TokenKind.if.rawValue ~= rawValue }

    /// As lists of expected tokens show it.
    var name: String {
        switch self {
        case .semicolon: "';'"
        case .leftParenthesis: "'('"
        case .comma: "','"
        case .rightParenthesis: "')'"
        case .dot: "'.'"
        case .leftBracket: "'['"
        case .rightBracket: "']'"
        case .equal: "'='"
        case .notEqual: "'<>'"
        case .less: "'<'"
        case .lessOrEqual: "'<='"
        case .greater: "'>'"
        case .greaterOrEqual: "'>='"
        case .plus: "'+'"
        case .minus: "'-'"
        case .asterisk: "'*'"
        case .slash: "'/'"
        case .percent: "'%'"
        case .concat: "'||'"
        case .assign: "':='"
        case .arrow: "'->'"
        case .lambda: "'=>'"
        case .text: "STRING"
        case .integerValue: "INTEGER_VALUE"
        case .decimalValue: "DECIMAL_VALUE"
        case .floatingPointValue: "FLOATING_POINT_VALUE"
        case .identifier: "IDENTIFIER"
        case .digitIdentifier: "DIGIT_IDENTIFIER"
        case .quotedIdentifier: "QUOTED_IDENTIFIER"
        case .backquotedIdentifier: "BACKQUOTED_IDENTIFIER"
        case .variable: "VARIABLE"
        case .endOfText: "<EOF>"
        case .unrecognized, .unterminated: "UNRECOGNIZED"
        case .ascending: "'ASC'"
        case .descending: "'DESC'"
        case .anExpression: "an expression"
        default: "'\(word)'"
        }
    }

    /// The spelling of a word.
    var word: String { "\(self)".uppercased() }

    /// The kinds that have a word of their own.
    static let words: [TokenKind] = allCases.filter(\.isWord)
}
