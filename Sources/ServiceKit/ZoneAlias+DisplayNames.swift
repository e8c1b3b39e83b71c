extension ZoneAlias {
    /// Names of a zone as a person reads them, without "Standard Time": those of Windows, and those that Java gives
    /// where they differ. Keys are what `displayKey` makes. The names of Mexico are complete, since they are others
    /// without their end. Source: the common table of Windows zones and tz names (CLDR, territory 001),
    /// https://github.com/unicode-org/cldr/blob/main/common/supplemental/windowsZones.xml.
    static let displayNames = Dictionary(
        table(
            """
            Etc/GMT+12: Dateline
            America/Adak: Aleutian
            Pacific/Honolulu: Hawaiian
            Pacific/Marquesas: Marquesas
            America/Anchorage: Alaskan | Alaska
            America/Tijuana: Pacific Standard Time (Mexico) |
            America/Los_Angeles: Pacific
            America/Phoenix: US Mountain |
            America/Mazatlan: Mountain Standard Time (Mexico) |
            America/Denver: Mountain
            America/Whitehorse: Yukon
            America/Guatemala: Central America |
            Pacific/Easter: Easter Island |
            America/Chicago: Central
            America/Mexico_City: Central Standard Time (Mexico) |
            America/Regina: Canada Central |
            America/Bogota: SA Pacific | Colombia
            America/Cancun: Eastern Standard Time (Mexico) |
            America/New_York: Eastern
            America/Port-au-Prince: Haiti
            America/Havana: Cuba
            America/Indiana/Indianapolis: US Eastern |
            America/Grand_Turk: Turks And Caicos |
            America/Asuncion: Paraguay
            America/Halifax: Atlantic
            America/Caracas: Venezuela
            America/Cuiaba: Central Brazilian |
            America/La_Paz: SA Western |
            America/Santiago: Pacific SA | Chile
            America/St_Johns: Newfoundland
            America/Araguaina: Tocantins
            America/Sao_Paulo: E. South America | Brasilia
            America/Cayenne: SA Eastern |
            America/Argentina/Buenos_Aires: Argentina
            America/Godthab: Greenland
            America/Montevideo: Montevideo
            America/Punta_Arenas: Magallanes
            America/Miquelon: Saint Pierre |
            America/Bahia: Bahia
            Etc/GMT+2: Mid-Atlantic
            Atlantic/Azores: Azores
            Atlantic/Cape_Verde: Cape Verde |
            Etc/UTC: Coordinated Universal |
            Europe/London: GMT | British
            Atlantic/Reykjavik: Greenwich
            Africa/Sao_Tome: Sao Tome |
            Africa/Casablanca: Morocco
            Europe/Berlin: W. Europe | Western Europe
            Europe/Lisbon: Western European |
            Europe/Budapest: Central Europe |
            Europe/Paris: Romance
            Europe/Warsaw: Central European | Middle Europe
            Africa/Lagos: W. Central Africa |
            Asia/Amman: Jordan
            Europe/Bucharest: GTB
            Asia/Beirut: Middle East |
            Africa/Cairo: Egypt
            Europe/Chisinau: E. Europe |
            Asia/Damascus: Syria
            Asia/Hebron: West Bank |
            Africa/Johannesburg: South Africa |
            Europe/Helsinki: FLE | Eastern European
            Asia/Jerusalem: Israel | Jerusalem
            Africa/Juba: South Sudan |
            Europe/Kaliningrad: Kaliningrad
            Africa/Khartoum: Sudan
            Africa/Tripoli: Libya
            Africa/Windhoek: Namibia
            Asia/Baghdad: Arabic
            Europe/Istanbul: Turkey
            Asia/Riyadh: Arab | Arabia
            Europe/Minsk: Belarus
            Europe/Moscow: Russian | Moscow
            Africa/Nairobi: E. Africa |
            Asia/Tehran: Iran
            Asia/Dubai: Arabian | Gulf
            Europe/Astrakhan: Astrakhan
            Asia/Baku: Azerbaijan
            Europe/Samara: Russia Time Zone 3 |
            Indian/Mauritius: Mauritius
            Europe/Saratov: Saratov
            Asia/Tbilisi: Georgian
            Europe/Volgograd: Volgograd
            Asia/Yerevan: Caucasus
            Asia/Kabul: Afghanistan
            Asia/Tashkent: West Asia |
            Asia/Qyzylorda: Qyzylorda
            Asia/Yekaterinburg: Ekaterinburg
            Asia/Karachi: Pakistan
            Asia/Kolkata: India
            Asia/Colombo: Sri Lanka |
            Asia/Kathmandu: Nepal
            Asia/Almaty: Central Asia |
            Asia/Dhaka: Bangladesh
            Asia/Omsk: Omsk
            Asia/Yangon: Myanmar
            Asia/Bangkok: SE Asia | Indochina
            Asia/Barnaul: Altai
            Asia/Hovd: W. Mongolia |
            Asia/Krasnoyarsk: North Asia |
            Asia/Novosibirsk: N. Central Asia |
            Asia/Tomsk: Tomsk
            Asia/Jakarta: Western Indonesia |
            Asia/Shanghai: China
            Asia/Hong_Kong: Hong Kong |
            Asia/Irkutsk: North Asia East |
            Asia/Singapore: Singapore
            Asia/Kuala_Lumpur: Malaysia
            Asia/Manila: Philippine
            Australia/Perth: W. Australia | Australian Western
            Asia/Taipei: Taipei
            Asia/Ulaanbaatar: Ulaanbaatar
            Australia/Eucla: Aus Central W. |
            Asia/Chita: Transbaikal
            Asia/Tokyo: Tokyo | Japan
            Asia/Pyongyang: North Korea |
            Asia/Seoul: Korea | Korean
            Asia/Yakutsk: Yakutsk
            Australia/Adelaide: Cen. Australia | Australian Central
            Australia/Darwin: AUS Central |
            Australia/Brisbane: E. Australia |
            Australia/Sydney: AUS Eastern | Australian Eastern
            Pacific/Port_Moresby: West Pacific |
            Australia/Hobart: Tasmania
            Asia/Vladivostok: Vladivostok
            Australia/Lord_Howe: Lord Howe |
            Pacific/Bougainville: Bougainville
            Asia/Srednekolymsk: Russia Time Zone 10 |
            Asia/Magadan: Magadan
            Pacific/Norfolk: Norfolk
            Asia/Sakhalin: Sakhalin
            Pacific/Guadalcanal: Central Pacific |
            Asia/Kamchatka: Russia Time Zone 11 |
            Pacific/Auckland: New Zealand |
            Pacific/Fiji: Fiji
            Pacific/Chatham: Chatham Islands |
            Pacific/Tongatapu: Tonga
            Pacific/Apia: Samoa
            Pacific/Kiritimati: Line Islands |
            """
        ).map { (displayKey($0.key, isPart: true), $0.value) }, uniquingKeysWith: { first, _ in first })

    /// One spelling for `Central Standard Time`, `central daylight time` and `British Summer Time`. What does not end
    /// so has no key, so that `Central` alone names nothing; a table's own entries (`isPart`) have it without the end.
    static func displayKey(_ name: String, isPart: Bool = false) -> String {
        let name = name.lowercased()
        for end in [" standard time", " daylight time", " summer time", " mean time", " time"] where name.hasSuffix(end)
        {
            return String(name.dropLast(end.utf8.count))
        }
        return isPart || name.hasSuffix(" standard time (mexico)") || name.hasPrefix("russia time zone ") ? name : ""
    }
}
