import ConnectCore
import Testing

/// Expected are the answers of Java 17's `SimpleDateFormat` (Locale.US, UTC); nil where it throws `ParseException`.
@Suite struct SimpleDateTextTests {
    private static let texts: [(pattern: String, text: String, millis: Int64?)] = [
        ("YYYY-ww-EEE", "2024-10-Wed", 1_709_683_200_000), ("yyyy-ww-u", "2024-10-3", 1_709_683_200_000),
        ("EEE yyyy ww", "Wed 2024 10", 1_709_683_200_000), ("yyyy-ww", "2024-10", 1_709_424_000_000),
        ("yyyy MM F E", "2024 03 2 Tue", 1_710_201_600_000), ("yyyy-MM-dd", "2024-13-45", 1_739_491_200_000),
        ("yyyyMMdd", "20240312", 1_710_201_600_000), ("yyyyMMdd", "2024-1-1", 1_698_624_000_000),
        ("yyyyMMdd", "2024 1 1", 1_704_067_200_000), ("yyyy-MM-dd", " 2024- 3- 1", 1_709_251_200_000),
        ("EEE, d MMM yyyy", " Wed, 6 Mar 2024", nil), ("EEE, d MMM yyyy", "Wed,  6 Mar 2024", 1_709_683_200_000),
        ("EEE, d MMM yyyy", "Wed, 6  Mar 2024", nil), ("HHmm", "1230", 45_000_000), ("HHmm", "123", 43_380_000),
        ("HH:mm a", "12:30 PM", 45_000_000), ("HH:mm a", "01:30 PM", 5_400_000), ("hh:mm", "12:30", 1_800_000),
        ("hh:mm", "01:30", 5_400_000), ("a hh", "PM 03", 54_000_000), ("KK a", "00 PM", 43_200_000), ("kk", "24", 0),
        ("a", "PM", 43_200_000), ("h", "5", 18_000_000), ("yyyy", "2024.5", 1_704_067_200_000),
        ("yyyy", "-5", -62_325_158_400_000), ("yy", "5", -62_009_539_200_000), ("yy", "005", -62_009_539_200_000),
        ("yy", "-5", -62_325_158_400_000), ("''yyyy", "'2024", 1_704_067_200_000),
        ("yyyy'T'HH", "2024T05", 1_704_085_200_000), ("yyyy''", "2024'", 1_704_067_200_000), ("'x'", "x", 0),
        ("", "x", nil), ("'x'", "y", nil), ("yyyy-MM-dd", "2024-03-12 trailing", 1_710_201_600_000),
        ("MMM", "sept", 20_995_200_000), ("MMMMM", "March", 5_097_600_000), ("EEEEE", "Wednesday", 518_400_000),
        ("yyyyMMMdd", "2024Mar05", 1_709_596_800_000), ("yyyyEEE", "2024Wed", 1_704_240_000_000),
        ("yyEEE", "24Wed", 1_704_240_000_000), ("ddMMyy", "010203", 1_044_057_600_000),
        ("SSSyyyy", "1232024", 1_704_067_200_123), ("sSS", "1234", 1_234),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2024-03-12T01:02:03.004+05:30", 1_710_185_523_004),
        ("yyyy-MM-dd'T'HH:mm:ssX", "2024-03-12T01:02:03+0530", 1_710_187_323_000),
        ("yyyy-MM-dd'T'HH:mm:ssXX", "2024-03-12T01:02:03+05", nil),
        ("yyyy-MM-dd z", "2024-03-12 Pacific Standard Time", 1_710_230_400_000),
        ("yyyy-MM-dd z", "2024-07-12 Coordinated Universal Time", 1_720_742_400_000),
        ("Y", "2024", 1_703_980_800_000), ("YYYY", "2024", 1_703_980_800_000),
        ("YYYY-MM-dd", "2024-03-12", 1_703_980_800_000), ("YYYY-MM-dd yyyy", "2024-03-12 2020", 1_583_971_200_000),
        ("yyyy YYYY", "2020 2024", 1_703_980_800_000), ("MMM z", "Dec  GMT-3:30", 28_857_600_000),
        ("YYYY u", "2024 8", 1_704_672_000_000), ("YYYY ww u", "2024 10 0", 1_708_819_200_000),
        ("YYYY ww u", "2024 10 -8", 1_708_732_800_000), ("YYYY ww u", "2024 10 15", 1_710_720_000_000),
        ("YYYY ww HH", "2024 10 30", 1_709_532_000_000), ("yyyy-MM-dd", "1582-10-04", -12_219_379_200_000),
        ("yyyy-MM-dd", "1582-10-10", -12_218_860_800_000), ("yyyy-MM-dd", "1582-10-15", -12_219_292_800_000),
        ("yyyy-DDD", "1582-300", -12_217_392_000_000), ("yyyy-MM-dd", "0001-01-01", -62_135_769_600_000),
        ("yyyy-MM-dd", "0000-01-01", -62_167_392_000_000), ("G yyyy-MM-dd", "BC 0001-01-01", -62_167_392_000_000),
        ("yyyy-MM-dd", "1581-15-01", -12_238_128_000_000), ("yyyy-MM-dd", "1583--5-01", -12_227_587_200_000),
    ]

    @Test(arguments: texts)
    func `reads what Java reads`(pattern: String, text: String, millis: Int64?) throws {
        let read = try? SimpleDateText(pattern).millis(text)
        #expect(read == millis)
    }

    @Test(arguments: [
        (75_312_447_251_368, "AD|4356|56|4356|07|Jul|July|07|22|204|30|4|4|Sun|Sunday|7|PM|20|20|8|8|14|11|368"),
        (325_909_632_361, "AD|1980|80|1980|04|Apr|April|04|30|121|18|5|5|Wed|Wednesday|3|AM|2|2|2|2|27|12|361"),
        (-12_180_500_272_419, "AD|1584|84|1584|01|Jan|January|01|06|6|1|1|1|Fri|Friday|5|PM|23|23|11|11|42|07|581"),
        (188_126_778_411_192, "AD|7931|31|7931|07|Jul|July|07|03|184|27|1|1|Fri|Friday|5|AM|6|6|6|6|26|51|192"),
        (-12_239_101_857_900, "AD|1582|82|1582|02|Feb|February|02|17|48|7|3|3|Sat|Saturday|6|PM|17|17|5|5|29|02|100"),
        (
            -12_181_191_647_793,
            "AD|1583|83|1583|12|Dec|December|12|29|363|53|5|5|Thu|Thursday|4|PM|23|23|11|11|39|12|207"
        ),
    ])
    func `writes what Java writes`(millis: Int64, text: String) throws {
        let pattern = try SimpleDateText("G|yyyy|yy|YYYY|MM|MMM|MMMM|LL|dd|D|w|W|F|E|EEEE|u|a|H|k|K|h|mm|ss|SSS")
        #expect(pattern.text(millis) == text)
    }

    @Test(arguments: ["q", "XXXX", "yyyy'"]) func `refuses patterns that Java refuses`(pattern: String) throws {
        #expect(throws: ConnectError.self) { try SimpleDateText(pattern) }
    }
}
