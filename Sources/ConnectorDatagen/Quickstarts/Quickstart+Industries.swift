import JSONFormat

/// The data of the examples for trades: campaigns, fleets, pizza, insurance, games, payroll, devices and logs, shoes.
extension Quickstart {
    private static let first2021: Int64 = 1_609_459_200_000
    private static let shoeIDs = SampleNames.uuids(2021, 200)
    private static let customerIDs = SampleNames.uuids(2022, 100)
    private static let deviceAddresses = SampleNames.addresses(7, 100)
    private static let customerNumbers = (0..<150).map { Int64(100 + $0 * 61 % 997) }

    static let industries: [Quickstart] = [
        Quickstart("campaign_finance", key: "candidate_id") { campaignFinance },
        Quickstart("fleet_mgmt_description", key: "vehicle_id") { fleetMgmtDescription },
        Quickstart("fleet_mgmt_location", key: "vehicle_id") { fleetMgmtLocation },
        Quickstart("fleet_mgmt_sensors", key: "vehicle_id") { fleetMgmtSensors },
        Quickstart("pizza_orders", key: "store_id") { pizzaOrders },
        Quickstart("pizza_orders_completed", key: "store_id") { pizzaOrdersCompleted },
        Quickstart("pizza_orders_cancelled", key: "store_id") { pizzaOrdersCancelled },
        Quickstart("insurance_offers", key: "offer_id") { insuranceOffers },
        Quickstart("insurance_customers", key: "customer_id") { insuranceCustomers },
        Quickstart("insurance_customer_activity", key: "activity_id") { insuranceCustomerActivity },
        Quickstart("gaming_games", key: "id") { gamingGames },
        Quickstart("gaming_players", key: "player_id") { gamingPlayers },
        Quickstart("gaming_player_activity", key: "player_id") { gamingPlayerActivity },
        Quickstart("payroll_employee", key: "employee_id") { payrollEmployee },
        Quickstart("payroll_employee_location", key: "employee_id") { payrollEmployeeLocation },
        Quickstart("payroll_bonus", key: "employee_id") { payrollBonus },
        Quickstart("syslog_logs", key: "host") { syslogLogs },
        Quickstart("device_information", key: "device_ip") { deviceInformation },
        Quickstart("siem_logs", key: "hostname") { siemLogs },
        Quickstart("shoes", key: "id") { shoes },
        Quickstart("shoe_customers", key: "id") { shoeCustomers },
        Quickstart("shoe_orders", key: "order_id") { shoeOrders },
        Quickstart("shoe_clickstream", key: "product_id") { shoeClickstream },
    ]

    private static var campaignFinance: SchemaBuilder {
        SchemaBuilder("datagen", "campaign_finance")
            .field("time", .between("long", 1_587_715_775_521, 1_619_273_364_600))
            .field("candidate_id", .regex("[A-Z][1-9]{8,8}")).field("party_affiliation", .choice("REP", "DEM", "IND"))
            .field("contribution", .between("int", 20, 3500))
    }

    private static var fleetMgmtDescription: SchemaBuilder {
        SchemaBuilder("fleet_mgmt", "fleet_mgmt_description").field("vehicle_id", .between("int", 1000, 9999))
            .field("driver_name", .choices((0..<100).map { SampleNames.full($0 * 3) }))
            .field("license_plate", .regex("[A-Z]{2}\\d{6}[A-Z]"))
    }

    private static var fleetMgmtLocation: SchemaBuilder {
        SchemaBuilder("fleet_mgmt", "fleet_mgmt_location").field("vehicle_id", .between("int", 1000, 9999))
            .field(
                "location",
                SchemaBuilder(nil, "location").field("latitude", "double").field("longitude", "double").rows(
                    // Along a road through California and Nevada.
                    (0..<30).map { (step: Int) in
                        let latitude = 37.4 + Double(step) * 0.12
                        let longitude = -122.0 + Double(step) * 0.19
                        return [.raw(Array("\(latitude)".utf8)), .raw(Array("\(longitude)".utf8))]
                    }
                ).json
            )
            .field("ts", .millis(from: first2021, by: 100_000))
    }

    private static var fleetMgmtSensors: SchemaBuilder {
        SchemaBuilder("fleet_mgmt", "fleet_mgmt_sensors").field("vehicle_id", .between("int", 1000, 9999))
            .field("engine_temperature", .between("int", 150, 250)).field("average_rpm", .between("int", 1800, 5000))
    }

    private static var pizzaOrders: SchemaBuilder {
        SchemaBuilder("pizza_orders", "pizza_orders").field("store_id", .between("int", 1, 10))
            .field("store_order_id", .counting("int", from: 1000, by: 1))
            .field("coupon_code", .between("int", 1000, 2000))
            .field("date", .between("int", 18_000, 19_000, logical: "date")).field("status", .choice("accepted"))
            .field(
                "order_lines",
                .object([
                    ("type", "array"),
                    (
                        "items",
                        SchemaBuilder(nil, "order_line").field("product_id", "int").field("category", "string")
                            .field("quantity", "int").field("unit_price", "double").field("net_price", "double")
                            .rows((0..<100).map(orderLine)).json
                    ),
                    (
                        GeneratorProgram.property,
                        .object([("length", .object([("min", 1), ("max", 5)]))])
                    ),
                ]))
    }

    private static var pizzaOrdersCompleted: SchemaBuilder {
        SchemaBuilder("pizza_orders", "pizza_orders_completed").field("store_id", .between("int", 1, 10))
            .field("store_order_id", .counting("int", from: 1000, by: 2))
            .field("date", .between("int", 18_000, 19_000, logical: "date")).field("status", .choice("completed"))
            .field("rack_time_secs", .between("int", 130, 230))
            .field("order_delivery_time_secs", .between("int", 1100, 2000))
    }

    private static var pizzaOrdersCancelled: SchemaBuilder {
        SchemaBuilder("pizza_orders", "pizza_orders_cancelled").field("store_id", .between("int", 1, 10))
            .field("store_order_id", .counting("int", from: 1001, by: 2))
            .field("date", .between("int", 18_000, 19_000, logical: "date")).field("status", .choice("cancelled"))
    }

    private static var insuranceOffers: SchemaBuilder {
        SchemaBuilder("insurance", "insurance_offers").field("offer_id", "int").field("offer_name", "string")
            .field("offer_url", "string").rows(
                ["new_home_policy", "new_auto_policy", "umbrella_policy", "travel_policy", "pet_policy"].enumerated()
                    .map { [.number(Int64($0 + 1)), .string($1), .string("https://offers.example.com/\($1)")] })
    }

    private static var insuranceCustomers: SchemaBuilder {
        SchemaBuilder("insurance", "insurance_customers").field("customer_id", "int").field("first_name", "string")
            .field("last_name", "string").field("email", "string").field("gender", "string").field("income", "int")
            .field("fico", "int").field("years_active", "int").rows(
                customerNumbers.enumerated().map { index, number in
                    let (first, last, email) = person(index)
                    let gender = ["Female", "Male", "Non-binary"][index % 3]
                    let income = Int64(20_000 + index * 7919 % 480_000)
                    let score = Int64(400 + index * 53 % 450)
                    return [
                        .number(number), .string(first), .string(last), .string(email), .string(gender),
                        .number(income),
                        .number(score), .number(Int64(index % 30)),
                    ]
                })
    }

    private static var insuranceCustomerActivity: SchemaBuilder {
        SchemaBuilder("insurance", "insurance_customer_activity")
            .field("activity_id", .counting("int", from: 1, by: 1))
            .field("customer_id", .type("int", [("options", .array(customerNumbers.map { .number($0) }))]))
            .field("activity_type", .choice("web_open", "mobile_open", "new_email"))
            .field("propensity_to_churn", .fractions("0.01", "1"))
            .field("ip_address", .choices(SampleNames.addresses(23, 50)))
    }

    private static var gamingGames: SchemaBuilder {
        SchemaBuilder("gaming", "gaming_games").field("id", .between("int", 1000, 5000))
            .field(
                "room_name",
                .choices(
                    ["Arcade", "Survival", "Classic"].flatMap { kind in
                        ["Rookie", "Skilled", "Expert"].map { kind + " -- " + $0 }
                    })
            )
            .field("created_date", .millis(from: first2021, by: 100_000))
    }

    private static var gamingPlayers: SchemaBuilder {
        SchemaBuilder("gaming", "gaming_players").field("player_id", "int").field("player_name", "string")
            .field("ip", "string").rows(
                SampleNames.addresses(31, 100).enumerated().map {
                    [.number(Int64(1001 + $0)), .string(SampleNames.full($0 * 5)), .string($1)]
                })
    }

    private static var gamingPlayerActivity: SchemaBuilder {
        SchemaBuilder("gaming", "gaming_player_activity").field("player_id", .between("int", 1001, 1101))
            .field("game_room_id", .between("int", 1000, 5000)).field("points", .between("int", 10, 500))
            .field("coordinates", .regex("\\[[0-9][0-9],[0-9][0-9]\\]"))
    }

    private static var payrollEmployee: SchemaBuilder {
        SchemaBuilder("payroll", "payroll_employee").field("employee_id", "int").field("first_name", "string")
            .field("last_name", "string").field("age", "int").field("ssn", "string").field("hourly_rate", "int")
            .field("gender", "string").field("email", "string").rows(
                (0..<100).map { index in
                    let (first, last, email) = person(index + 40)
                    let age = Int64(18 + index * 7 % 50)
                    let rate = Int64(15 + index % 40)
                    let gender = ["female", "male", "other"][index % 3]
                    // No such number is given out: they do not begin with a nine.
                    let number = (10 + index % 90, 10 + index * 3 % 90, 1000 + index * 89 % 9000)
                    return [
                        .number(Int64(1000 + index)), .string(first), .string(last), .number(age),
                        .string("9\(number.0)-\(number.1)-\(number.2)"), .number(rate), .string(gender), .string(email),
                    ]
                })
    }

    private static var payrollEmployeeLocation: SchemaBuilder {
        SchemaBuilder("payroll", "payroll_employee_location").field("employee_id", .between("int", 1000, 1100))
            .field("lab", .regex("lab-\\d{1}")).field("department_id", .between("int", 1, 10))
            .field("arrival_date", .between("int", 18_000, 19_000, logical: "date"))
    }

    private static var payrollBonus: SchemaBuilder {
        SchemaBuilder("payroll", "payroll_bonus").field("employee_id", .between("int", 1000, 1100))
            .field("bonus", .between("int", 10, 50))
            .field("ts", .between("long", first2021, 1_640_995_199_000, logical: "timestamp-millis"))
    }

    private static var syslogLogs: SchemaBuilder {
        SchemaBuilder("syslogs", "syslog_logs").field("name", .regex("[a-zA-Z]{5,8}"))
            .field("type", .choice("RFC5424", "RFC3164", "CEF", "UNKNOWN"))
            .field("message", .regex("[a-z ]{10,15}")).field("host", .choices(SampleNames.addresses(41, 10)))
            .field("version", .choice("3.25.1")).field("tag", .choice(".source.s_src"))
            .field("level", .between("int", 0, 191)).field("facility", .choice("syslog", "authpriv", "cron"))
            .field("severity", .between("int", 0, 8)).field("appName", .regex("[A-Z]{5,8}"))
            .field("remoteAddress", .choices(SampleNames.addresses(43, 10)))
            .field("rawMessage", .regex("[a-z ]{10,15}")).field("processId", .regex("[1-9]{1}[0-9]{6}"))
            .field("messageId", .regex("[1-9]{1}[0-9]{2}")).field("deviceVendor", .regex("[a-z]{5}"))
            .field("deviceProduct", .regex("[a-z]{5}"))
            .field("deviceVersion", .choice("1.0", "2.0", "3.0", "4.0", "5.0"))
            .field("ts", .counting("long", from: first2021, by: 100))
    }

    private static var deviceInformation: SchemaBuilder {
        SchemaBuilder("device_information", "device_information").field("device_ip", .choices(deviceAddresses))
            .field("mac_address", .choices(macAddresses)).field(
                "owner", .choices((0..<100).map { SampleNames.full($0 * 9) }))
    }

    private static var siemLogs: SchemaBuilder {
        SchemaBuilder("siem_logs", "siem_logs").field("hostname", .choices(deviceAddresses))
            .field("action", .choice("allow", "deny")).field("l4", .choice("tcp"))
            .field("access_group", .choice("group-1", "group-2", "group-3", "group-4", "admin"))
            .field("source", endpoint("source")).field("destination", endpoint("destination"))
    }

    private static var shoes: SchemaBuilder {
        let brands = ["Fjordstep", "Lumen & Sons", "Paceworks", "Tramontana", "Old Quay", "Zephyr Group"]
        let models = ["Trail", "Tempo", "Harbour", "Summit", "Glide", "Metro"]
        return SchemaBuilder("shoes", "shoe_product").field("id", "string").field("brand", "string")
            .field("name", "string").field("sale_price", "int").field("rating", "double").rows(
                shoeIDs.enumerated().map { index, id in
                    let number = 100 + index * 7 % 900
                    let price = Int64(4995 + index % 12 * 1000)
                    let rating = "\(index % 5).\(index % 10)"
                    return [
                        .string(id), .string(brands[index % 6]), .string("\(models[index / 6 % 6]) \(number)"),
                        .number(price), .raw(Array(rating.utf8)),
                    ]
                })
    }

    private static var shoeCustomers: SchemaBuilder {
        SchemaBuilder("shoes", "shoe_customers").field("id", "string").field("first_name", "string")
            .field("last_name", "string").field("email", "string").field("phone", "string")
            .field("street_address", "string").field("state", "string").field("zip_code", "string")
            .field("country", "string").field("country_code", "string").rows(
                customerIDs.enumerated().map { index, id in
                    let (first, last, email) = person(index + 200)
                    let states = [("California", "94105"), ("Texas", "78701"), ("Ohio", "43004"), ("Maine", "04101")]
                    let (state, zip) = states[index % states.count]
                    let extension555 = String(100 + index % 100).dropFirst()
                    let number = index * 17 % 900 + 1
                    return [
                        .string(id), .string(first), .string(last), .string(email), .string("555-01\(extension555)"),
                        .string("\(number) Harbour Street"), .string(state), .string(zip), "United States", "US",
                    ]
                })
    }

    private static var shoeOrders: SchemaBuilder {
        SchemaBuilder("shoes", "shoe_orders").field("order_id", .counting("int", from: 1000, by: 1))
            .field("product_id", .choices(shoeIDs)).field("customer_id", .choices(customerIDs))
            .field("ts", .millis(from: first2021, by: 100_000))
    }

    private static var shoeClickstream: SchemaBuilder {
        SchemaBuilder("shoes", "shoe_clickstream").field("product_id", .choices(shoeIDs))
            .field("user_id", .choices(customerIDs)).field("view_time", .between("int", 10, 120))
            .field("page_url", .regex("https://www\\.example\\.com/product/[a-z]{5}"))
            .field("ip", .choices(deviceAddresses)).field("ts", .millis(from: 1_609_457_200_000, by: 10_000))
    }

    private static func person(_ index: Int) -> (first: String, last: String, email: String) {
        let name = SampleNames.full(index * 11)
        let parts = name.split(separator: " ").map(String.init)
        return (parts[0], parts.last ?? "", SampleNames.email(name, number: index))
    }

    private static func orderLine(_ index: Int) -> [JSONValue] {
        let categories = ["pizza", "calzone", "salad", "wings", "dessert"]
        let quantity = index % 5 + 1
        let cents = 495 + index * 37 % 1500
        func money(_ cents: Int) -> JSONValue {
            let places = String(cents % 100 + 100).dropFirst()
            return .raw(Array("\(cents / 100).\(places)".utf8))
        }
        return [
            .number(Int64(index)), .string(categories[index % 5]), .number(Int64(quantity)), money(cents),
            money(cents * quantity),
        ]
    }

    /// Of the kind that a machine's owner gives out.
    private static var macAddresses: [String] {
        var random = JavaRandom(seed: 5)
        return (0..<50).map { _ in
            let bytes: [UInt8] = [0x02] + random.nextBytes(5)
            return bytes.map { String(Int($0) + 256, radix: 16, uppercase: true).dropFirst() }.joined(separator: "-")
        }
    }

    private static func endpoint(_ name: String) -> JSONValue {
        SchemaBuilder(nil, name).field("ip", .choices(deviceAddresses)).field("port", .between("int", 10_000, 99_999))
            .json
    }
}
