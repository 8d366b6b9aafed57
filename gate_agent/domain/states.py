"""States and nationalities: the three-letter codes of travel documents and the two-letter codes of certificates (ICAO Doc 9303-3 §5).

The two are not one-to-one: some issuers share a state's certificate authority, some codes name no state at all. A code that is not in
the table says nothing about a document; whoever compares it gets None and has to leave the answer open.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ISO_3166 = (
    "ABW:AW AFG:AF AGO:AO AIA:AI ALA:AX ALB:AL AND:AD ARE:AE ARG:AR ARM:AM ASM:AS ATA:AQ ATF:TF ATG:AG AUS:AU "
    "AUT:AT AZE:AZ BDI:BI BEL:BE BEN:BJ BES:BQ BFA:BF BGD:BD BGR:BG BHR:BH BHS:BS BIH:BA BLM:BL BLR:BY BLZ:BZ "
    "BMU:BM BOL:BO BRA:BR BRB:BB BRN:BN BTN:BT BVT:BV BWA:BW CAF:CF CAN:CA CCK:CC CHE:CH CHL:CL CHN:CN CIV:CI "
    "CMR:CM COD:CD COG:CG COK:CK COL:CO COM:KM CPV:CV CRI:CR CUB:CU CUW:CW CXR:CX CYM:KY CYP:CY CZE:CZ DEU:DE "
    "DJI:DJ DMA:DM DNK:DK DOM:DO DZA:DZ ECU:EC EGY:EG ERI:ER ESH:EH ESP:ES EST:EE ETH:ET FIN:FI FJI:FJ FLK:FK "
    "FRA:FR FRO:FO FSM:FM GAB:GA GBR:GB GEO:GE GGY:GG GHA:GH GIB:GI GIN:GN GLP:GP GMB:GM GNB:GW GNQ:GQ GRC:GR "
    "GRD:GD GRL:GL GTM:GT GUF:GF GUM:GU GUY:GY HKG:HK HMD:HM HND:HN HRV:HR HTI:HT HUN:HU IDN:ID IMN:IM IND:IN "
    "IOT:IO IRL:IE IRN:IR IRQ:IQ ISL:IS ISR:IL ITA:IT JAM:JM JEY:JE JOR:JO JPN:JP KAZ:KZ KEN:KE KGZ:KG KHM:KH "
    "KIR:KI KNA:KN KOR:KR KWT:KW LAO:LA LBN:LB LBR:LR LBY:LY LCA:LC LIE:LI LKA:LK LSO:LS LTU:LT LUX:LU LVA:LV "
    "MAC:MO MAF:MF MAR:MA MCO:MC MDA:MD MDG:MG MDV:MV MEX:MX MHL:MH MKD:MK MLI:ML MLT:MT MMR:MM MNE:ME MNG:MN "
    "MNP:MP MOZ:MZ MRT:MR MSR:MS MTQ:MQ MUS:MU MWI:MW MYS:MY MYT:YT NAM:NA NCL:NC NER:NE NFK:NF NGA:NG NIC:NI "
    "NIU:NU NLD:NL NOR:NO NPL:NP NRU:NR NZL:NZ OMN:OM PAK:PK PAN:PA PCN:PN PER:PE PHL:PH PLW:PW PNG:PG POL:PL "
    "PRI:PR PRK:KP PRT:PT PRY:PY PSE:PS PYF:PF QAT:QA REU:RE ROU:RO RUS:RU RWA:RW SAU:SA SDN:SD SEN:SN SGP:SG "
    "SGS:GS SHN:SH SJM:SJ SLB:SB SLE:SL SLV:SV SMR:SM SOM:SO SPM:PM SRB:RS SSD:SS STP:ST SUR:SR SVK:SK SVN:SI "
    "SWE:SE SWZ:SZ SXM:SX SYC:SC SYR:SY TCA:TC TCD:TD TGO:TG THA:TH TJK:TJ TKL:TK TKM:TM TLS:TL TON:TO TTO:TT "
    "TUN:TN TUR:TR TUV:TV TWN:TW TZA:TZ UGA:UG UKR:UA UMI:UM URY:UY USA:US UZB:UZ VAT:VA VCT:VC VEN:VE VGB:VG "
    "VIR:VI VNM:VN VUT:VU WLF:WF WSM:WS YEM:YE ZAF:ZA ZMB:ZM ZWE:ZW "
)
"""Three letters and two letters of each ISO 3166-1 entry."""

_ICAO_ONLY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "D": frozenset({"DE"}),
        "GBD": frozenset({"GB"}),  # overseas territories citizen
        "GBN": frozenset({"GB"}),  # national (overseas)
        "GBO": frozenset({"GB"}),  # overseas citizen
        "GBP": frozenset({"GB"}),  # protected person
        "GBS": frozenset({"GB"}),  # subject
        "UNO": frozenset({"UN", "ZZ"}),  # United Nations
        "UNA": frozenset({"UN", "ZZ"}),  # specialised agency
        "UNK": frozenset({"UN", "ZZ", "KS"}),  # interim administration in Kosovo
        "EUE": frozenset({"EU"}),  # European Union laissez-passer
        "RKS": frozenset({"KS", "XK"}),
        "XKX": frozenset({"KS", "XK"}),
        "XOM": frozenset({"XO"}),  # Sovereign Military Order of Malta
        "XPO": frozenset({"XP"}),  # Interpol
        "XBA": frozenset({"XB"}),  # African Development Bank
        "XIM": frozenset({"XI"}),  # African Export-Import Bank
        "XCC": frozenset({"XC"}),  # Caribbean Community
        "XCE": frozenset({"XE"}),  # Council of Europe
        "XCO": frozenset({"XM"}),  # Common Market for Eastern and Southern Africa
        "XEC": frozenset({"XW"}),  # Economic Community of West African States
        "XMP": frozenset({"XZ"}),  # Parliamentary Assembly of the Mediterranean
        "UTO": frozenset({"UT"}),  # Utopia, the state of specimens
    }
)
"""Issuers that have certificates, by the code in the document's zone."""

_NATIONALITY_ONLY = frozenset({"XXA", "XXB", "XXC", "XXX"})
"""Stateless, refugee (1951), refugee (other), unspecified: nationalities of people; no issuer carries them."""

_SHARED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "BMU": frozenset({"GB"}),
        "HKG": frozenset({"CN"}),
        "MAC": frozenset({"CN"}),
        "GGY": frozenset({"GB"}),
        "JEY": frozenset({"GB"}),
        "IMN": frozenset({"GB"}),
        "AIA": frozenset({"GB"}),
        "CYM": frozenset({"GB"}),
        "FLK": frozenset({"GB"}),
        "GIB": frozenset({"GB"}),
        "MSR": frozenset({"GB"}),
        "SHN": frozenset({"GB"}),
        "TCA": frozenset({"GB"}),
        "VGB": frozenset({"GB"}),
    }
)
"""Further certificate codes of issuers whose documents another state's authority may sign."""


def _codes() -> dict[str, frozenset[str]]:
    codes = {entry[:3]: frozenset({entry[4:]}) for entry in _ISO_3166.split()}
    codes |= _ICAO_ONLY
    for code, others in _SHARED.items():
        codes[code] |= others
    return codes


_CODES: Mapping[str, frozenset[str]] = MappingProxyType(_codes())
STATE_CODES = frozenset(_CODES)
"""Every three-letter code (without fillers) that names an issuer."""

NATIONALITY_CODES = STATE_CODES | _NATIONALITY_ONLY
"""Every three-letter code (without fillers) that may stand as a nationality."""


def two_letter(code: str) -> frozenset[str]:
    """Return the certificate codes of an issuing state, upper-case; empty for a code that is not in the table.

    `code` is that of a machine readable zone, fillers and case do not matter; a two-letter code of the table stands for itself.
    """
    bare = code.strip("<").upper()
    if len(bare) == 2:
        return frozenset({bare}) if any(bare in codes for codes in _CODES.values()) else frozenset()
    return _CODES.get(bare, frozenset())


def same_state(mrz_code: str, certificate_code: str) -> bool | None:
    """Return whether a document's issuing state and a certificate's country are one; None when either is not in the table.

    TR-03135-1 tables 5.43, 5.73 and 5.74: a code that nobody knows is undetermined, never a finding.
    """
    expected, found = two_letter(mrz_code), two_letter(certificate_code)
    return bool(expected & found) if expected and found else None


def three_letter(code: str) -> frozenset[str]:
    """Return the issuing states (codes as in the zone, without fillers) whose documents a certificate country may sign."""
    wanted = two_letter(code)
    return frozenset(state for state, codes in _CODES.items() if codes & wanted)


def is_nationality(code: str) -> bool:
    """Return whether a nationality code of a zone is one of the table."""
    return code.strip("<").upper() in NATIONALITY_CODES
