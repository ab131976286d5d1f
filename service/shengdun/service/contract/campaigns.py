"""What a client learns of campaigns: wording that different customers share."""

from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPassage:
    """Wording that customers of a campaign share.

    Attributes:
        text: what one of the texts has, without punctuation and masked; the first 500 characters.
        customers: how many customers have it, of those that were compared.
    """

    text: str
    customers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptCampaign:
    """What speaks for a text following a campaign, although no script with its wording is known.

    Attributes:
        campaign_id: the campaign.
        llr: natural-log likelihood ratio of "it follows a script that another customer's text follows too".
        members: texts of the campaign that are remembered, this one included.
        customers: how many customers they are of, this one included.
        first_seen_at: when the first of its texts came in.
        last_seen_at: when the last of them did.
        passages: what at least half of its customers share; of more than 20 the longest.
    """

    campaign_id: str
    llr: float
    members: int
    customers: int
    first_seen_at: datetime
    last_seen_at: datetime
    passages: tuple[SharedPassage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignMember:
    """A text of a campaign.

    Attributes:
        customer_pseudonym: keyed pseudonym of the customer whom it is about.
        line: the line of business.
        seen_at: when it came in.
    """

    customer_pseudonym: str
    line: str
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """Texts of different customers that share wording, as the server remembers them.

    Attributes:
        campaign_id: its id.
        absorbed_ids: ids of campaigns that turned out to be this one.
        members: how many of its texts are remembered.
        customers: how many customers they are of.
        lines: the lines of business that it was seen on.
        first_seen_at: when the first of its texts came in, those forgotten since included.
        last_seen_at: when the last of them did.
        growth_per_day: new customers a day, over the last seven days or since it began if that is less.
        new_customers_by_day: by the server's clock; days without any are left out.
        texts: its texts, of more than 1,000 the latest; none where they were not asked for.
        passages: what at least half of its customers share; none where it was not asked for.
        customers_compared: how many were compared for that.
    """

    campaign_id: str
    absorbed_ids: tuple[str, ...]
    members: int
    customers: int
    lines: tuple[str, ...]
    first_seen_at: datetime
    last_seen_at: datetime
    growth_per_day: float
    new_customers_by_day: dict[date, int]
    texts: tuple[CampaignMember, ...] = ()
    passages: tuple[SharedPassage, ...] = field(default=(), repr=False)
    customers_compared: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaigns:
    """Campaigns of a server.

    Attributes:
        campaigns: those of most customers first.
        found: how many there are in all.
        texts_remembered: how many texts it remembers.
    """

    campaigns: tuple[Campaign, ...]
    found: int
    texts_remembered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotedScript:
    """How the script that a campaign's shared wording becomes is to be registered.

    Attributes:
        title: a name for people.
        network_id: the network (gang) that uses it; may be empty.
        campaign: what investigators call the campaign; empty for its id.
        purpose: what the script is kept for.
        source: where the knowledge comes from; empty for the campaign.
        case_reference: the case it was found in.
        legal_basis: the legal basis of keeping it.
        expires_at: after this instant it is no longer searched for, with a time zone; None for no expiry.
        script_id: an id of one's own; empty lets the server make one.
    """

    title: str
    network_id: str = ""
    campaign: str = ""
    purpose: str = ""
    source: str = ""
    case_reference: str = ""
    legal_basis: str = ""
    expires_at: datetime | None = None
    script_id: str = ""

    def __post_init__(self) -> None:
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise ValueError("expires_at needs a time zone")
