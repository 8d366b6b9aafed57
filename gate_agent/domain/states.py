"""States and nationalities: the three-letter codes of travel documents and the two-letter codes of certificates (ICAO Doc 9303-3 §5).

The two are not one-to-one: some issuers share a state's certificate authority, some codes name no state at all. A code that is not in
the table says nothing about a document; whoever compares it gets None and has to leave the answer open.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ISO_3166 = (
    "ABW_AW AFG_AF AGO_AO AIA_AI ALA_AX ALB_AL AND_AD ARE_AE ARG_AR ARM_AM ASM_AS ATA_AQ ATF_TF ATG_AG AUS_AU "
    "AUT_AT AZE_AZ BDI_BI BEL_BE BEN_BJ BES_BQ BFA_BF BGD_BD BGR_BG BHR_BH BHS_BS BIH_BA BLM_BL BLR_BY BLZ_BZ "
    "BMU_BM BOL_BO BRA_BR BRB_BB BRN_BN BTN_BT BVT_BV BWA_BW CAF_CF CAN_CA CCK_CC CHE_CH CHL_CL CHN_CN CIV_CI "
    "CMR_CM COD_CD COG_CG COK_CK COL_CO COM_KM CPV_CV CRI_CR CUB_CU CUW_CW CXR_CX CYM_KY CYP_CY CZE_CZ DEU_DE "
    "DJI_DJ DMA_DM DNK_DK DOM_DO DZA_DZ ECU_EC EGY_EG ERI_ER ESH_EH ESP_ES EST_EE ETH_ET FIN_FI FJI_FJ FLK_FK "
    "FRA_FR FRO_FO FSM_FM GAB_GA GBR_GB GEO_GE GGY_GG GHA_GH GIB_GI GIN_GN GLP_GP GMB_GM GNB_GW GNQ_GQ GRC_GR "
    "GRD_GD GRL_GL GTM_GT GUF_GF GUM_GU GUY_GY HKG_HK HMD_HM HND_HN HRV_HR HTI_HT HUN_HU IDN_ID IMN_IM IND_IN "
    "IOT_IO IRL_IE IRN_IR IRQ_IQ ISL_IS ISR_IL ITA_IT JAM_JM JEY_JE JOR_JO JPN_JP KAZ_KZ KEN_KE KGZ_KG KHM_KH "
    "KIR_KI KNA_KN KOR_KR KWT_KW LAO_LA LBN_LB LBR_LR LBY_LY LCA_LC LIE_LI LKA_LK LSO_LS LTU_LT LUX_LU LVA_LV "
    "MAC_MO MAF_MF MAR_MA MCO_MC MDA_MD MDG_MG MDV_MV MEX_MX MHL_MH MKD_MK MLI_ML MLT_MT MMR_MM MNE_ME MNG_MN "
    "MNP_MP MOZ_MZ MRT_MR MSR_MS MTQ_MQ MUS_MU MWI_MW MYS_MY MYT_YT NAM_NA NCL_NC NER_NE NFK_NF NGA_NG NIC_NI "
    "NIU_NU NLD_NL NOR_NO NPL_NP NRU_NR NZL_NZ OMN_OM PAK_PK PAN_PA PCN_PN PER_PE PHL_PH PLW_PW PNG_PG POL_PL "
    "PRI_PR PRK_KP PRT_PT PRY_PY PSE_PS PYF_PF QAT_QA REU_RE ROU_RO RUS_RU RWA_RW SAU_SA SDN_SD SEN_SN SGP_SG "
    "SGS_GS SHN_SH SJM_SJ SLB_SB SLE_SL SLV_SV SMR_SM SOM_SO SPM_PM SRB_RS SSD_SS STP_ST SUR_SR SVK_SK SVN_SI "
    "SWE_SE SWZ_SZ SXM_SX SYC_SC SYR_SY TCA_TC TCD_TD TGO_TG THA_TH TJK_TJ TKL_TK TKM_TM TLS_TL TON_TO TTO_TT "
    "TUN_TN TUR_TR TUV_TV TWN_TW TZA_TZ UGA_UG UKR_UA UMI_UM URY_UY USA_US UZB_UZ VAT_VA VCT_VC VEN_VE VGB_VG "
    "VIR_VI VNM_VN VUT_VU WLF_WF WSM_WS YEM_YE ZAF_ZA ZMB_ZM ZWE_ZW "
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
        "XES": frozenset(),  # Organization of Eastern Caribbean States: no certificate code is published
        "XDC": frozenset(),  # Southern African Development Community: likewise
        "ANT": frozenset({"AN"}),  # Netherlands Antilles, withdrawn; kept for documents that still say so
        "NTZ": frozenset({"NT"}),  # Neutral Zone, likewise
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
