extension ZoneAlias {
    /// Old names of the tz database, which some distributions have in a package of its own (`tzdata-legacy`). TWS uses
    /// many. Source: the tz database's `backward` file, https://data.iana.org/time-zones/tzdb/backward.
    static let legacyNames = table(
        """
        Etc/UTC: Etc/UCT Etc/Universal Etc/Zulu UCT Universal Zulu Greenwich GMT0 GMT+0 GMT-0 Etc/Greenwich
        Australia/Sydney: Australia/ACT Australia/NSW Australia/Canberra
        Australia/Lord_Howe: Australia/LHI
        Australia/Darwin: Australia/North
        Australia/Brisbane: Australia/Queensland
        Australia/Adelaide: Australia/South
        Australia/Hobart: Australia/Tasmania Australia/Currie
        Australia/Melbourne: Australia/Victoria
        Australia/Perth: Australia/West
        Australia/Broken_Hill: Australia/Yancowinna
        America/Rio_Branco: Brazil/Acre
        America/Noronha: Brazil/DeNoronha
        America/Sao_Paulo: Brazil/East
        America/Manaus: Brazil/West
        America/Halifax: Canada/Atlantic
        America/Winnipeg: Canada/Central
        America/Toronto: Canada/Eastern America/Montreal
        America/Edmonton: Canada/Mountain
        America/St_Johns: Canada/Newfoundland
        America/Vancouver: Canada/Pacific
        America/Regina: Canada/Saskatchewan
        America/Whitehorse: Canada/Yukon
        America/Santiago: Chile/Continental
        Pacific/Easter: Chile/EasterIsland
        America/Havana: Cuba
        Africa/Cairo: Egypt
        Europe/Dublin: Eire
        Europe/London: GB GB-Eire Europe/Belfast
        Asia/Hong_Kong: Hongkong
        Africa/Abidjan: Iceland
        Asia/Tehran: Iran
        Asia/Jerusalem: Israel Asia/Tel_Aviv
        America/Jamaica: Jamaica
        Asia/Tokyo: Japan
        Pacific/Kwajalein: Kwajalein
        Africa/Tripoli: Libya
        America/Tijuana: Mexico/BajaNorte
        America/Mazatlan: Mexico/BajaSur
        America/Mexico_City: Mexico/General
        Pacific/Auckland: NZ
        Pacific/Chatham: NZ-CHAT
        America/Denver: Navajo US/Mountain America/Shiprock
        Asia/Shanghai: PRC Asia/Chongqing Asia/Chungking Asia/Harbin
        Europe/Warsaw: Poland
        Europe/Lisbon: Portugal
        Asia/Taipei: ROC
        Asia/Seoul: ROK
        Asia/Singapore: Singapore
        Europe/Istanbul: Turkey Asia/Istanbul
        America/Anchorage: US/Alaska
        America/Adak: US/Aleutian
        America/Phoenix: US/Arizona
        America/Chicago: US/Central
        America/Indiana/Indianapolis: US/East-Indiana America/Indianapolis America/Fort_Wayne
        America/New_York: US/Eastern
        Pacific/Honolulu: US/Hawaii
        America/Indiana/Knox: US/Indiana-Starke
        America/Detroit: US/Michigan
        America/Los_Angeles: US/Pacific
        Pacific/Pago_Pago: US/Samoa
        Europe/Moscow: W-SU
        America/Argentina/Buenos_Aires: America/Buenos_Aires
        America/Kentucky/Louisville: America/Louisville
        Asia/Kolkata: Asia/Calcutta
        Asia/Dhaka: Asia/Dacca
        Asia/Kathmandu: Asia/Katmandu
        Asia/Macau: Asia/Macao
        Asia/Yangon: Asia/Rangoon
        Asia/Ho_Chi_Minh: Asia/Saigon
        Asia/Makassar: Asia/Ujung_Pandang
        Asia/Ulaanbaatar: Asia/Ulan_Bator
        Atlantic/Faroe: Atlantic/Faeroe
        """)
}
