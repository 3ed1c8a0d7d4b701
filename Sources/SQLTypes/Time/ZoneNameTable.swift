/// What Java 17 calls time zones in English, by zone: an abbreviation says too little, as IST is the time of India,
/// Israel and Ireland.
enum ZoneNameTable {
    struct Names: Sendable {
        /// Empty where Java has none.
        var short: String
        var long: String
        /// Of zones that had summer time in 2021.
        var summer: (short: String, long: String)?
    }

    static let byZone: [String: Names] = {
        var result: [String: Names] = [:]
        for (names, zones) in groups { for zone in zones { result[zone] = names } }
        return result
    }()

    /// The zone that a short name means when it is read, in small letters, and whether it is a standard time's.
    static let byShortName: [String: (zone: String, isStandard: Bool)] = {
        var result: [String: (zone: String, isStandard: Bool)] = [:]
        for (names, zones) in groups where !names.short.isEmpty {
            guard let zone = zones.first else { continue }
            // Of several with one name the first counts.
            if result[names.short.lowercased()] == nil { result[names.short.lowercased()] = (zone, true) }
            if let summer = names.summer, result[summer.short.lowercased()] == nil {
                result[summer.short.lowercased()] = (zone, false)
            }
        }
        return result
    }()

    private static let groups: [(names: Names, zones: [String])] = table.split(separator: "\n").map { line in
        let sides = line.split(separator: "=", maxSplits: 1)
        let names = sides[0].dropLast().split(separator: "|", omittingEmptySubsequences: false).map { String($0) }
        return (
            Names(short: names[0], long: names[1], summer: names.count > 3 ? (names[2], names[3]) : nil),
            sides[1].split(separator: " ").map { String($0) }
        )
    }

    /// Short name, long name and those of the summer; the zones, first the one that the short name means when read.
    private static let table = """
        ACST|Australian Central Standard Time|ACDT|Australian Central Daylight Time = Australia/Adelaide \
            Australia/Broken_Hill Australia/South Australia/Yancowinna
        ACST|Australian Central Standard Time = Australia/Darwin Australia/North
        ACT|Acre Standard Time = America/Eirunepe America/Porto_Acre America/Rio_Branco Brazil/Acre
        ACWST|Australian Central Western Standard Time = Australia/Eucla
        AEST|Australian Eastern Standard Time|AEDT|Australian Eastern Daylight Time = Australia/Sydney Australia/ACT \
            Australia/Canberra Australia/Currie Australia/Hobart Australia/Melbourne Australia/NSW Australia/Tasmania \
            Australia/Victoria
        AEST|Australian Eastern Standard Time = Australia/Brisbane Australia/Lindeman Australia/Queensland
        AFT|Afghanistan Time = Asia/Kabul
        AKST|Alaska Standard Time|AKDT|Alaska Daylight Time = America/Anchorage America/Juneau America/Metlakatla \
            America/Nome America/Sitka America/Yakutat US/Alaska
        ALMT|East Kazakhstan Time = Asia/Almaty
        AMT|Amazon Standard Time = America/Manaus America/Boa_Vista America/Campo_Grande America/Cuiaba \
            America/Porto_Velho Brazil/West
        AMT|Armenia Standard Time = Asia/Yerevan
        ANAT|Anadyr Standard Time = Asia/Anadyr
        AQTT|West Kazakhstan Time = Asia/Aqtobe Asia/Aqtau
        ART|Argentina Standard Time = America/Argentina/Buenos_Aires America/Argentina/Catamarca \
            America/Argentina/ComodRivadavia America/Argentina/Cordoba America/Argentina/Jujuy \
            America/Argentina/La_Rioja America/Argentina/Mendoza America/Argentina/Rio_Gallegos \
            America/Argentina/Salta America/Argentina/San_Juan America/Argentina/San_Luis America/Argentina/Tucuman \
            America/Argentina/Ushuaia America/Buenos_Aires America/Catamarca America/Cordoba America/Jujuy \
            America/Mendoza America/Rosario
        AST|Atlantic Standard Time|ADT|Atlantic Daylight Time = America/Glace_Bay America/Goose_Bay America/Halifax \
            America/Moncton America/Thule Atlantic/Bermuda Canada/Atlantic
        AST|Atlantic Standard Time = America/Anguilla America/Antigua America/Aruba America/Barbados \
            America/Blanc-Sablon America/Curacao America/Dominica America/Grenada America/Guadeloupe \
            America/Kralendijk America/Lower_Princes America/Marigot America/Martinique America/Montserrat \
            America/Port_of_Spain America/Puerto_Rico America/Santo_Domingo America/St_Barthelemy America/St_Kitts \
            America/St_Lucia America/St_Thomas America/St_Vincent America/Tortola America/Virgin
        AST|Arabian Standard Time = Asia/Aden Asia/Baghdad Asia/Bahrain Asia/Kuwait Asia/Qatar Asia/Riyadh
        AWST|Australian Western Standard Time = Australia/Perth Australia/West
        AZOT|Azores Standard Time|AZOST|Azores Summer Time = Atlantic/Azores
        AZT|Azerbaijan Standard Time = Asia/Baku
        BDT|Bangladesh Standard Time = Asia/Dhaka Asia/Dacca
        BNT|Brunei Darussalam Time = Asia/Brunei
        BOT|Bolivia Time = America/La_Paz
        BRT|Brasilia Standard Time = America/Sao_Paulo America/Araguaina America/Bahia America/Belem America/Fortaleza \
            America/Maceio America/Recife America/Santarem Brazil/East
        BST|Bougainville Standard Time = Pacific/Bougainville
        BTT|Bhutan Time = Asia/Thimphu Asia/Thimbu
        CAT|Central Africa Time = Africa/Maputo Africa/Blantyre Africa/Bujumbura Africa/Gaborone Africa/Harare \
            Africa/Juba Africa/Khartoum Africa/Kigali Africa/Lubumbashi Africa/Lusaka Africa/Windhoek
        CCT|Cocos Islands Time = Indian/Cocos
        CET|Central European Standard Time|CEST|Central European Summer Time = Europe/Paris Africa/Ceuta \
            Arctic/Longyearbyen Atlantic/Jan_Mayen Europe/Amsterdam Europe/Andorra Europe/Belgrade Europe/Berlin \
            Europe/Bratislava Europe/Brussels Europe/Budapest Europe/Busingen Europe/Copenhagen Europe/Gibraltar \
            Europe/Ljubljana Europe/Luxembourg Europe/Madrid Europe/Malta Europe/Monaco Europe/Oslo Europe/Podgorica \
            Europe/Prague Europe/Rome Europe/San_Marino Europe/Sarajevo Europe/Skopje Europe/Stockholm Europe/Tirane \
            Europe/Vaduz Europe/Vatican Europe/Vienna Europe/Warsaw Europe/Zagreb Europe/Zurich Poland
        CET|Central European Standard Time = Africa/Algiers Africa/Tunis
        CET|Central European Time|CEST|Central European Summer Time = CET
        CHAST|Chatham Standard Time|CHADT|Chatham Daylight Time = Pacific/Chatham NZ-CHAT
        CHOT|Ulaanbaatar Standard Time = Asia/Choibalsan
        CHUT|Chuuk Time = Pacific/Chuuk Pacific/Truk Pacific/Yap
        CKT|Cook Islands Standard Time = Pacific/Rarotonga
        CLT|Chile Standard Time|CLST|Chile Summer Time = America/Santiago Chile/Continental
        COT|Colombia Standard Time = America/Bogota
        CST|Central Standard Time|CDT|Central Daylight Time = America/Bahia_Banderas America/Chicago America/Chihuahua \
            America/Indiana/Knox America/Indiana/Tell_City America/Knox_IN America/Matamoros America/Menominee \
            America/Merida America/Mexico_City America/Monterrey America/North_Dakota/Beulah \
            America/North_Dakota/Center America/North_Dakota/New_Salem America/Ojinaga America/Rainy_River \
            America/Rankin_Inlet America/Resolute America/Winnipeg CST6CDT Canada/Central Mexico/General US/Central \
            US/Indiana-Starke
        CST|Central Standard Time = America/Belize America/Costa_Rica America/El_Salvador America/Guatemala \
            America/Managua America/Regina America/Swift_Current America/Tegucigalpa Canada/Saskatchewan
        CST|China Standard Time = Asia/Chongqing Asia/Chungking Asia/Harbin Asia/Macao Asia/Macau Asia/Shanghai PRC
        CST|Cuba Standard Time|CDT|Cuba Daylight Time = America/Havana Cuba
        CST|Taipei Standard Time = Asia/Taipei
        CVT|Cape Verde Standard Time = Atlantic/Cape_Verde
        CXT|Christmas Island Time = Indian/Christmas
        ChST|Chamorro Standard Time = Pacific/Guam Pacific/Saipan
        EAST|Easter Island Standard Time|EASST|Easter Island Summer Time = Chile/EasterIsland Pacific/Easter
        EAT|East Africa Time = Africa/Nairobi Africa/Addis_Ababa Africa/Asmara Africa/Asmera Africa/Dar_es_Salaam \
            Africa/Djibouti Africa/Kampala Africa/Mogadishu Indian/Antananarivo Indian/Comoro Indian/Mayotte
        ECT|Ecuador Time = America/Guayaquil
        EET|Eastern European Standard Time|EEST|Eastern European Summer Time = Europe/Bucharest Asia/Amman Asia/Beirut \
            Asia/Damascus Asia/Gaza Asia/Hebron Asia/Nicosia Europe/Athens Europe/Chisinau Europe/Helsinki Europe/Kiev \
            Europe/Kyiv Europe/Mariehamn Europe/Nicosia Europe/Riga Europe/Sofia Europe/Tallinn Europe/Tiraspol \
            Europe/Uzhgorod Europe/Vilnius Europe/Zaporozhye
        EET|Eastern European Standard Time = Africa/Cairo Africa/Tripoli Egypt Europe/Kaliningrad Libya
        EET|Eastern European Time|EEST|Eastern European Summer Time = Asia/Famagusta EET
        EGT|East Greenland Standard Time|EGST|East Greenland Summer Time = America/Scoresbysund
        EST|Eastern Standard Time|EDT|Eastern Daylight Time = America/Detroit America/Fort_Wayne America/Grand_Turk \
            America/Indiana/Indianapolis America/Indiana/Marengo America/Indiana/Petersburg America/Indiana/Vevay \
            America/Indiana/Vincennes America/Indiana/Winamac America/Indianapolis America/Iqaluit \
            America/Kentucky/Louisville America/Kentucky/Monticello America/Louisville America/Montreal America/Nassau \
            America/New_York America/Nipigon America/Pangnirtung America/Port-au-Prince America/Thunder_Bay \
            America/Toronto Canada/Eastern EST5EDT US/East-Indiana US/Eastern US/Michigan
        EST|Eastern Standard Time = America/Atikokan America/Cancun America/Cayman America/Coral_Harbour \
            America/Jamaica America/Panama Jamaica
        FJT|Fiji Standard Time|FJST|Fiji Summer Time = Pacific/Fiji
        FKT|Falkland Islands Standard Time = Atlantic/Stanley
        FNT|Fernando de Noronha Standard Time = America/Noronha Brazil/DeNoronha
        GALT|Galapagos Time = Pacific/Galapagos
        GAMT|Gambier Time = Pacific/Gambier
        GET|Georgia Standard Time = Asia/Tbilisi
        GFT|French Guiana Time = America/Cayenne
        GILT|Gilbert Islands Time = Pacific/Tarawa
        GMT|Greenwich Mean Time|BST|British Summer Time = Europe/Belfast Europe/Guernsey Europe/Isle_of_Man \
            Europe/Jersey Europe/London GB GB-Eire
        GMT|Greenwich Mean Time|IST|Irish Standard Time = Eire Europe/Dublin
        GMT|Greenwich Mean Time = Africa/Abidjan Africa/Accra Africa/Bamako Africa/Banjul Africa/Bissau Africa/Conakry \
            Africa/Dakar Africa/Freetown Africa/Lome Africa/Monrovia Africa/Nouakchott Africa/Ouagadougou \
            Africa/Sao_Tome Africa/Timbuktu America/Danmarkshavn Atlantic/Reykjavik Atlantic/St_Helena Iceland
        GST|Gulf Standard Time = Asia/Dubai Asia/Muscat
        GST|South Georgia Time = Atlantic/South_Georgia
        GYT|Guyana Time = America/Guyana
        HAST|Hawaii-Aleutian Standard Time|HADT|Hawaii-Aleutian Daylight Time = America/Adak America/Atka US/Aleutian
        HAST|Hawaii-Aleutian Standard Time = Pacific/Johnston
        HKT|Hong Kong Standard Time = Asia/Hong_Kong Hongkong
        HOVT|Hovd Standard Time = Asia/Hovd
        HST|Hawaii-Aleutian Standard Time = Pacific/Honolulu US/Hawaii
        ICT|Indochina Time = Asia/Bangkok Asia/Ho_Chi_Minh Asia/Phnom_Penh Asia/Saigon Asia/Vientiane
        IOT|Indian Ocean Time = Indian/Chagos
        IRKT|Irkutsk Standard Time = Asia/Irkutsk
        IRST|Iran Standard Time|IRDT|Iran Daylight Time = Asia/Tehran Iran
        IST|India Standard Time = Asia/Kolkata Asia/Calcutta Asia/Colombo
        IST|Israel Standard Time|IDT|Israel Daylight Time = Asia/Jerusalem Asia/Tel_Aviv Israel
        JST|Japan Standard Time = Asia/Tokyo Japan
        KGT|Kyrgyzstan Time = Asia/Bishkek
        KOST|Kosrae Time = Pacific/Kosrae
        KRAT|Krasnoyarsk Standard Time = Asia/Krasnoyarsk Asia/Novokuznetsk
        KST|Korean Standard Time = Asia/Seoul Asia/Pyongyang ROK
        LHST|Lord Howe Standard Time|LHDT|Lord Howe Daylight Time = Australia/Lord_Howe Australia/LHI
        LINT|Line Islands Time = Pacific/Kiritimati
        MAGT|Magadan Standard Time = Asia/Magadan
        MART|Marquesas Time = Pacific/Marquesas
        MET|Middle Europe Time|MEST|Middle Europe Summer Time = MET
        MHT|Marshall Islands Time = Kwajalein Pacific/Kwajalein Pacific/Majuro
        MMT|Myanmar Time = Asia/Yangon Asia/Rangoon
        MSK|Moscow Standard Time = Europe/Moscow Europe/Kirov Europe/Minsk Europe/Simferopol W-SU
        MSK|Volgograd Standard Time = Europe/Volgograd
        MST|Mexican Pacific Standard Time|MDT|Mexican Pacific Daylight Time = America/Mazatlan Mexico/BajaSur
        MST|Mexican Pacific Standard Time = America/Hermosillo
        MST|Mountain Standard Time|MDT|Mountain Daylight Time = America/Boise America/Cambridge_Bay \
            America/Ciudad_Juarez America/Denver America/Edmonton America/Inuvik America/Shiprock America/Yellowknife \
            Canada/Mountain MST7MDT Navajo US/Mountain
        MST|Mountain Standard Time = America/Creston America/Dawson America/Dawson_Creek America/Fort_Nelson \
            America/Phoenix America/Whitehorse Canada/Yukon US/Arizona
        MUT|Mauritius Standard Time = Indian/Mauritius
        MVT|Maldives Time = Indian/Maldives
        MYT|Malaysia Time = Asia/Kuching Asia/Kuala_Lumpur
        NCT|New Caledonia Standard Time = Pacific/Noumea
        NFT|Norfolk Island Standard Time|NFST|Norfolk Island Daylight Time = Pacific/Norfolk
        NOVT|Novosibirsk Standard Time = Asia/Novosibirsk
        NPT|Nepal Time = Asia/Kathmandu Asia/Katmandu
        NRT|Nauru Time = Pacific/Nauru
        NST|Newfoundland Standard Time|NDT|Newfoundland Daylight Time = America/St_Johns Canada/Newfoundland
        NUT|Niue Time = Pacific/Niue
        NZST|New Zealand Standard Time|NZDT|New Zealand Daylight Time = Pacific/Auckland NZ
        OMST|Omsk Standard Time = Asia/Omsk
        ORAT|West Kazakhstan Time = Asia/Oral
        PET|Peru Standard Time = America/Lima
        PETT|Petropavlovsk-Kamchatski Standard Time = Asia/Kamchatka
        PGT|Papua New Guinea Time = Pacific/Port_Moresby
        PHOT|Phoenix Islands Time = Pacific/Enderbury
        PKT|Pakistan Standard Time = Asia/Karachi
        PMST|St. Pierre & Miquelon Standard Time|PMDT|St. Pierre & Miquelon Daylight Time = America/Miquelon
        PONT|Ponape Time = Pacific/Pohnpei Pacific/Ponape
        PST|Northwest Mexico Standard Time|PDT|Northwest Mexico Daylight Time = America/Santa_Isabel
        PST|Pacific Standard Time|PDT|Pacific Daylight Time = America/Ensenada America/Los_Angeles America/Tijuana \
            America/Vancouver Canada/Pacific Mexico/BajaNorte PST8PDT US/Pacific
        PST|Philippine Standard Time = Asia/Manila
        PST|Pitcairn Time = Pacific/Pitcairn
        PWT|Palau Time = Pacific/Palau
        PYT|Paraguay Standard Time|PYST|Paraguay Summer Time = America/Asuncion
        QOST|East Kazakhstan Time = Asia/Qostanay
        QYZT|West Kazakhstan Time = Asia/Qyzylorda
        RET|Réunion Time = Indian/Reunion
        SAKT|Sakhalin Standard Time = Asia/Sakhalin
        SAMT|Samara Standard Time = Europe/Samara
        SAST|South Africa Standard Time = Africa/Johannesburg Africa/Maseru Africa/Mbabane
        SBT|Solomon Islands Time = Pacific/Guadalcanal
        SCT|Seychelles Time = Indian/Mahe
        SGT|Singapore Standard Time = Asia/Singapore Singapore
        SRET|Srednekolymsk Time = Asia/Srednekolymsk
        SRT|Suriname Time = America/Paramaribo
        SST|Samoa Standard Time = Pacific/Pago_Pago Pacific/Midway Pacific/Samoa US/Samoa
        TAHT|Tahiti Time = Pacific/Tahiti
        TFT|French Southern & Antarctic Time = Indian/Kerguelen
        TJT|Tajikistan Time = Asia/Dushanbe
        TKT|Tokelau Time = Pacific/Fakaofo
        TLT|East Timor Time = Asia/Dili
        TMT|Turkmenistan Standard Time = Asia/Ashgabat Asia/Ashkhabad
        TOT|Tonga Standard Time = Pacific/Tongatapu
        TRT|Turkey Time = Europe/Istanbul Asia/Istanbul Turkey
        TVT|Tuvalu Time = Pacific/Funafuti
        ULAT|Ulaanbaatar Standard Time = Asia/Ulaanbaatar Asia/Ulan_Bator
        UYT|Uruguay Standard Time = America/Montevideo
        UZT|Uzbekistan Standard Time = Asia/Tashkent Asia/Samarkand
        VET|Venezuela Time = America/Caracas
        VLAT|Vladivostok Standard Time = Asia/Vladivostok Asia/Ust-Nera
        VUT|Vanuatu Standard Time = Pacific/Efate
        WAKT|Wake Island Time = Pacific/Wake
        WAT|West Africa Standard Time = Africa/Lagos Africa/Bangui Africa/Brazzaville Africa/Douala Africa/Kinshasa \
            Africa/Libreville Africa/Luanda Africa/Malabo Africa/Ndjamena Africa/Niamey Africa/Porto-Novo
        WET|Western European Standard Time|WEST|Western European Summer Time = Atlantic/Canary Atlantic/Faeroe \
            Atlantic/Faroe Atlantic/Madeira Europe/Lisbon Portugal
        WET|Western European Time|WEST|Western European Summer Time = Africa/Casablanca Africa/El_Aaiun WET
        WFT|Wallis & Futuna Time = Pacific/Wallis
        WGT|West Greenland Standard Time|WGST|West Greenland Summer Time = America/Nuuk America/Godthab
        WIB|Western Indonesia Time = Asia/Jakarta Asia/Pontianak
        WIT|Eastern Indonesia Time = Asia/Jayapura
        WITA|Central Indonesia Time = Asia/Makassar Asia/Ujung_Pandang
        WSST|Apia Standard Time|WSDT|Apia Daylight Time = Pacific/Apia
        XJT|Xinjiang Standard Time = Asia/Urumqi Asia/Kashgar
        YAKT|Yakutsk Standard Time = Asia/Yakutsk Asia/Chita Asia/Khandyga
        YEKT|Yekaterinburg Standard Time = Asia/Yekaterinburg
        |Astrakhan Standard Time = Europe/Astrakhan
        |Barnaul Standard Time = Asia/Barnaul
        |Kanton Standard Time = Pacific/Kanton
        |Punta Arenas Standard Time = America/Punta_Arenas
        |Saratov Standard Time = Europe/Saratov
        |Tomsk Standard Time = Asia/Tomsk
        |Ulyanovsk Standard Time = Europe/Ulyanovsk
        |West Kazakhstan Time = Asia/Atyrau
        """
}
