package import JSONFormat

/// The data of the demos: web traffic, orders, ratings, users, page views, stock trades, shops.
extension Quickstart {
    static let demos: [Quickstart] = [
        Quickstart("clickstream_codes", key: "code") { clickstreamCodes },
        Quickstart("clickstream", key: "ip") { clickstream },
        Quickstart("clickstream_users", key: "user_id") { clickstreamUsers },
        Quickstart("orders", key: "orderid") { orders },
        Quickstart("ratings", key: "rating_id") { ratings },
        Quickstart("users", key: "userid") { users },
        Quickstart("users_array_map", key: "userid") { usersArrayMap },
        Quickstart("pageviews", key: "viewtime") { pageviews },
        Quickstart("stock_trades", key: "symbol") { stockTrades },
        Quickstart("inventory", key: "id") { inventory },
        Quickstart("product", key: "id") { product },
        Quickstart("purchases", key: "id") { purchases },
        Quickstart("transactions", key: "transaction_id") { transactions },
        Quickstart("stores", key: "store_id") { stores },
        Quickstart("credit_cards", key: "card_id") { creditCards },
    ]

    private static var clickstreamCodes: SchemaBuilder {
        SchemaBuilder("clickstream", "codes").field("code", "int").field("definition", "string").rows([
            [200, "OK"], [302, "Found elsewhere"], [404, "No such page"], [405, "Method is not allowed"],
            [406, "No acceptable answer"], [407, "The proxy wants a login"],
        ])
    }

    private static var clickstream: SchemaBuilder {
        SchemaBuilder("clickstream", "events")
            .field("ip", .choices(SampleNames.addresses(11, 40)))
            .field("userid", .between("int", -1, 40))
            .field("remote_user", .choice("-"))
            .field("time", .counting("string", from: 1, by: 10))
            .field("_time", .counting("long", from: 1, by: 10))
            .field(
                "request",
                .choice(
                    "GET /index.html HTTP/1.1", "GET /site/login.html HTTP/1.1",
                    "GET /site/user_status.html HTTP/1.1", "GET /images/track.png HTTP/1.1",
                    "GET /images/logo-small.png HTTP/1.1", "GET /site/user_status.html HTTP/1.1")
            )
            .field("status", .choice("200", "302", "404", "405", "406", "407"))
            .field("bytes", .choice("278", "1289", "2048", "4096", "4006", "4196", "14096"))
            .field("referrer", .choice("-"))
            .field(
                "agent",
                .choice(
                    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                    "Mozilla/5.0 (compatible; ExampleBot/2.1; +http://example.com/bot.html)"))
    }

    private static var clickstreamUsers: SchemaBuilder {
        SchemaBuilder("clickstream", "users")
            .field("user_id", .counting("int", from: 1))
            .field(
                "username",
                .choices(
                    (0..<18).map { SampleNames.full($0 * 7).lowercased().replacing(" ", with: "_") + "\($0 * 11)" })
            )
            .field("registered_at", .between("long", 1_407_645_330_000, 1_502_339_792_000))
            .field("first_name", .choices(Array(SampleNames.first.prefix(12))))
            .field("last_name", .choices(Array(SampleNames.last.prefix(12))))
            .field("city", .choice("Palo Alto", "San Francisco", "Raleigh", "London", "Frankfurt", "New York"))
            .field("level", .choice("Gold", "Silver", "Platinum"))
    }

    private static var orders: SchemaBuilder {
        SchemaBuilder("ksql", "orders")
            .field("ordertime", .between("long", 1_487_715_775_521, 1_519_273_364_600))
            .field("orderid", .counting("int", from: 0))
            .field("itemid", .regex("Item_[1-9][0-9]{0,2}"))
            .field("orderunits", .fractions("0.1", "10.0"))
            .field(
                "address",
                SchemaBuilder(nil, "address").field("city", .regex("City_[1-9]{0,2}"))
                    .field("state", .regex("State_[1-9]{0,2}")).field("zipcode", .between("long", 10_000, 99_999)).json)
    }

    private static var ratings: SchemaBuilder {
        SchemaBuilder("ksql", "ratings")
            .field("rating_id", .counting("long", from: 1))
            .field("user_id", .between("int", -1, 20))
            .field("stars", .between("int", 1, 5))
            .field("route_id", .between("int", 1, 9999))
            .field("rating_time", .counting("long", from: 1, by: 12))
            .field("channel", .choice("web", "iOS", "ios", "iOS-test", "android"))
            .field(
                "message",
                .choice(
                    "Never again. Nine hours and not one smile.", "Better than I expected, well done!",
                    "The seat was broken and nobody cared.", "Thank you for getting us home on time :-)",
                    "Where is my suitcase? Still waiting...", "Peanuts for dinner? Really?",
                    "The crew was wonderful with our kids", "Meh", "Clean plane, quiet flight, would book again",
                    "Your app crashed three times at check-in", "Is this what an exit row is meant to look like?")
            )
    }

    private static var users: SchemaBuilder {
        people
    }

    private static var usersArrayMap: SchemaBuilder {
        people
            .field(
                "interests",
                .object([
                    ("type", "array"), ("items", "string"),
                    (
                        GeneratorProgram.property,
                        .object([
                            (
                                "options",
                                .array([
                                    ["Game", "News"], ["Game", "Sport"], ["News", "Movies"], ["News", "Travel"],
                                ])
                            )
                        ])
                    ),
                ])
            )
            .field(
                "contactinfo",
                .object([
                    ("type", "map"), ("values", "string"),
                    (
                        GeneratorProgram.property,
                        .object([
                            (
                                "options",
                                .array([
                                    contact("San Mateo", "94403", 1), contact("Irvine", "92617", 2),
                                    contact("Palo Alto", "94301", 3), contact("San Jose", "95112", 4),
                                    contact("San Carlos", "94070", 5),
                                ])
                            )
                        ])
                    ),
                ]))
    }

    private static var pageviews: SchemaBuilder {
        SchemaBuilder("ksql", "pageviews").field("viewtime", .counting("long", from: 1, by: 10))
            .field("userid", .regex("User_[1-9]")).field("pageid", .regex("Page_[1-9][0-9]"))
    }

    private static var stockTrades: SchemaBuilder {
        SchemaBuilder("ksql", "StockTrade")
            .field("side", .choice("BUY", "SELL"))
            .field("quantity", .between("int", 1, 5000))
            .field("symbol", .choice("ZBZX", "ZJZZT", "ZTEST", "ZVV", "ZVZZT", "ZWZZT", "ZXZZT"))
            .field("price", .between("int", 5, 1000))
            .field("account", .choice("ABC123", "LMN456", "XYZ789"))
            .field("userid", .regex("User_[1-9]"))
    }

    private static var inventory: SchemaBuilder {
        SchemaBuilder("ksql", "inventory").field("id", .counting("long", from: 0))
            .field("quantity", .counting("long", from: 0)).field("productid", .counting("long", from: 0))
    }

    private static var product: SchemaBuilder {
        SchemaBuilder("ksql", "product").field("id", .counting("long", from: 0))
            .field("name", .counting("string", from: 0)).field("description", .counting("string", from: 0))
            .field("price", .counting("double", from: 0))
    }

    private static var purchases: SchemaBuilder {
        SchemaBuilder("datagen.example", "purchase")
            .field("id", .counting("long", from: 0))
            .field(
                "item_type",
                .choice(
                    "boots", "shirt", "hat", "scarf", "socks", "gloves", "jacket", "dress", "skirt", "jeans",
                    "belt", "sandals", "coat", "sweater", "shorts", "tie")
            )
            .field("quantity", .between("long", 1, 10))
            .field(
                "price_per_unit",
                .object([
                    ("type", "bytes"), ("logicalType", "decimal"), ("precision", 4), ("scale", 2),
                    (
                        GeneratorProgram.property,
                        .object([
                            (
                                "range",
                                .object([("min", .raw(Array("10.0".utf8))), ("max", .raw(Array("50.0".utf8)))])
                            )
                        ])
                    ),
                ]))
    }

    private static var transactions: SchemaBuilder {
        SchemaBuilder("datagen.example", "transactions")
            .field("transaction_id", .counting("long", from: 1)).field("card_id", .between("long", 1, 24))
            .field("user_id", .regex("User_[1-9]{0,1}")).field("purchase_id", .counting("long", from: 0))
            .field("store_id", .between("int", 1, 7))
    }

    private static var stores: SchemaBuilder {
        SchemaBuilder("datagen.example", "stores").field("store_id", "int").field("city", "string")
            .field("state", "string").rows([
                [1, "Raleigh", "NC"], [2, "Chicago", "IL"], [3, "Sacramento", "CA"], [4, "Austin", "TX"],
                [5, "Boston", "MA"], [6, "Atlanta", "GA"], [7, "Lexington", "SC"],
            ])
    }

    private static var creditCards: SchemaBuilder {
        // Made-up numbers.
        SchemaBuilder("datagen.example", "users").field("card_id", "int").field("card_number", "long")
            .field("cvv", "int").field("expiration_date", "string").rows(
                (1...24).map { (index: Int64) in
                    let month = String(index % 12 + 101).dropFirst()
                    let year = 27 + index % 4
                    let number = 4_999_999_900_000_000 + index * 104_729
                    let code = 100 + index * 37
                    return [.number(index), .number(number), .number(code), .string("\(month)/\(year)")]
                })
    }

    private static var people: SchemaBuilder {
        SchemaBuilder("ksql", "users")
            .field("registertime", .between("long", 1_487_715_775_521, 1_519_273_364_600))
            .field("userid", .regex("User_[1-9]"))
            .field("regionid", .regex("Region_[1-9]"))
            .field("gender", .choice("MALE", "FEMALE", "OTHER"))
    }

    private static func contact(_ city: String, _ zip: String, _ number: Int) -> JSONValue {
        .object([
            ("phone", .string("555010\(number)")), ("city", .string(city)), ("state", "CA"), ("zipcode", .string(zip)),
        ])
    }
}

/// Rows read better as they would stand in JSON.
extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .number(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
}
