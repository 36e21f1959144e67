package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

// reset is when calendar windows begin.
type reset struct {
	zone      *time.Location
	day, hour int
}

// apply sets the beginning of a calendar window that says nothing of its own.
func (r reset) apply(l *quota.Limit) {
	if l.Rolling || l.Zone != nil || l.ResetHour != 0 || l.ResetDay > 1 {
		return
	}
	l.Zone, l.ResetHour = r.zone, r.hour
	if l.Per == quota.Month {
		l.ResetDay = r.day
	}
}

// sourceQuotaRows say what may be spent, and by whom.
func sourceQuotaRows(spec SourceSpec) []row {
	rows := []row{
		{Setting: Setting{Live: true, Name: "QUOTA", YAML: "quota", Title: "quota", Kind: KindQuota, Default: orNone(spec.Quota), For: NeedData,
			Help: "Limits of the key between commas, such as 200/minute,1000/day,10000/month, or none for no limit; what is spent is counted either way." + bucketHelp(spec.Buckets)},
			parse: limits(spec.Buckets, of(spec, func(s *Source) *[]quota.Limit { return &s.Limits }))},
		{Setting: Setting{Live: true, Name: "QUOTA_TIMEZONE", YAML: "quota_timezone", Title: "quota time zone", Kind: KindText, Default: "UTC", For: NeedData,
			Help: "Time zone in which days, weeks and months of the quota begin, as the IANA names it (Europe/Berlin)."},
			parse: zone(of(spec, func(s *Source) **time.Location { return &s.reset.zone }))},
		{Setting: Setting{Live: true, Name: "QUOTA_RESET_DAY", YAML: "quota_reset_day", Title: "quota reset day", Kind: KindInt, Default: "1", For: NeedData,
			Help: "Day on which a month of the quota begins, 1 to 28."},
			parse: integer(1, 28, of(spec, func(s *Source) *int { return &s.reset.day }))},
		{Setting: Setting{Live: true, Name: "QUOTA_RESET_HOUR", YAML: "quota_reset_hour", Title: "quota reset hour", Kind: KindInt, Default: "0", For: NeedData,
			Help: "Hour at which days, weeks and months of the quota begin, 0 to 23."},
			parse: integer(0, 23, of(spec, func(s *Source) *int { return &s.reset.hour }))},
	}
	rows = append(rows,
		row{Setting: Setting{Live: true, Name: "QUOTA_SAFETY_MARGIN", YAML: "quota_safety_margin", Title: "quota safety margin", Kind: KindInt, Default: "0", For: NeedData,
			Help: "Share of each window in percent, up to 50, that nobody may use: for a provider whose count or clock differs a little."},
			parse: integer(0, 50, of(spec, func(s *Source) *int { return &s.Margin }))},
		row{Setting: Setting{Live: true, Name: "QUOTA_INITIAL_USED", YAML: "quota_initial_used", Title: "units used elsewhere", Kind: KindQuota, DefaultNote: "none", Example: "1200/month", For: NeedData,
			Help: "Units that the key had used in a window before the ledger began, such as 1200/month; counted once."},
			parse: initialUsed(of(spec, func(s *Source) *map[quota.Period]int64 { return &s.InitialUsed }))},
		row{Setting: Setting{Name: "UNIT_PRICE", YAML: "unit_price", Title: "price of a unit", Kind: KindText, DefaultNote: "unknown", Example: "0.040", For: NeedData,
			Help: "What a unit costs, for the page: it says what was spent and saved in money too."},
			parse: matching(`^[0-9]{1,9}(\.[0-9]{1,9})?$`, "not a price; write a decimal number such as 0.040", of(spec, func(s *Source) *string { return &s.UnitPrice }))},
		row{Setting: Setting{Name: "CURRENCY", YAML: "currency", Title: "currency", Kind: KindText, Default: "EUR", For: NeedData,
			Help: "Currency of the price, as ISO 4217 names it."},
			parse: matching(`^[A-Z]{3}$`, "not a currency; write its three letters, such as EUR", of(spec, func(s *Source) *string { return &s.Currency }))},
		row{Setting: Setting{Name: "QUOTA_ON_EXHAUSTED", YAML: "quota_on_exhausted", Title: "when a quota is exhausted", Kind: KindEnum, Default: "stale", Values: []string{"stale", "skip", "wait", "defer"}, For: NeedLookup,
			Help: "stale serves expired answers, marked so; skip leaves the parts out; wait waits for the window, up to QUOTA_MAX_WAIT; defer keeps the message on disk and resumes it when the window opens."},
			parse: oneOf(of(spec, func(s *Source) *string { return &s.OnExhausted }), "stale", "skip", "wait", "defer")},
		row{Setting: Setting{Name: "QUOTA_MAX_WAIT", YAML: "quota_max_wait", Title: "longest wait for a quota", Kind: KindDuration, Default: "PT20M", For: NeedLookup,
			Help: "How long wait waits, at most PT25M: after half an hour RabbitMQ takes a message back."},
			parse: duration(time.Second, 25*time.Minute, of(spec, func(s *Source) *time.Duration { return &s.MaxWait }))},
	)
	for _, r := range []struct {
		trigger        quota.Trigger
		who, byDefault string
	}{{quota.Playbook, "playbooks", "10"}, {quota.API, "HTTP clients", "20"}, {quota.Proxy, "proxy clients", "20"}} {
		name := r.trigger.String()
		rows = append(rows, row{Setting: Setting{Live: true, Name: "QUOTA_RESERVE_" + strings.ToUpper(name), YAML: "quota_reserve_" + name, Title: "reserve against " + r.who, Kind: KindInt, Default: r.byDefault, For: NeedData,
			Help: "Share of each window in percent that " + r.who + " leave to others; 100 lets them spend nothing."},
			parse: reserve(spec.Name, r.trigger)})
	}
	return append(rows, row{Setting: Setting{Live: true, Name: "QUOTA_AUTO", YAML: "quota_auto", Title: "automatic enrichment spends", Kind: KindBool, DefaultNote: "as the source's connectors are automatic", Example: "true", For: NeedData,
		Help: "Whether automatic enrichment may spend, with the reserve of playbooks; OpenCTI's trigger filters can send it unasked."},
		parse: maybe(of(spec, func(s *Source) **bool { return &s.auto }))})
}

func orNone(limits string) string {
	if limits == "" {
		return quota.None
	}
	return limits
}

// bucketHelp says how a limit is made one of a kind of calls.
func bucketHelp(buckets []string) string {
	if len(buckets) == 0 {
		return ""
	}
	return fmt.Sprintf(" A limit such as %s:100/day counts one kind of calls only; there are: %s.", buckets[0], strings.Join(buckets, ", "))
}

// limits accepts what the ledger does, of buckets that the source has.
func limits(buckets []string, field func(*Settings) *[]quota.Limit) parser {
	return func(t *target, v string) (string, error) {
		v = strings.TrimSpace(v)
		parsed, err := quota.ParseLimits(v)
		if err != nil {
			return "", err
		}
		for _, l := range parsed {
			if err := checkBucket(buckets, l); err != nil {
				return "", err
			}
		}
		if len(parsed) == 0 {
			v = quota.None
		}
		*field(t.Settings) = parsed
		return v, nil
	}
}

// checkBucket says that a limit is of a bucket that the source has not.
func checkBucket(buckets []string, l quota.Limit) error {
	switch {
	case l.Bucket == "" || slices.Contains(buckets, l.Bucket):
		return nil
	case len(buckets) == 0:
		return fmt.Errorf("%q: the source has no buckets: all its calls count together", l)
	default:
		return fmt.Errorf("%q: no such bucket; there is %s", l, strings.Join(buckets, ", "))
	}
}

// initialUsed accepts units per period, written as limits are.
func initialUsed(field func(*Settings) *map[quota.Period]int64) parser {
	return func(t *target, v string) (string, error) {
		parsed, err := quota.ParseLimits(v)
		if err != nil {
			return "", err
		}
		used := map[quota.Period]int64{}
		for _, l := range parsed {
			if l.Bucket != "" {
				return "", fmt.Errorf("%q: it is said for all calls only; for one bucket use 'enrichgate quota set-used'", l)
			}
			used[l.Per] = l.Units
		}
		*field(t.Settings) = used
		return strings.TrimSpace(v), nil
	}
}

// zone accepts the name of a time zone.
func zone(field func(*Settings) **time.Location) parser {
	return func(t *target, v string) (string, error) {
		v = strings.TrimSpace(v)
		z, err := time.LoadLocation(v)
		if err != nil || strings.EqualFold(v, "local") {
			return "", errors.New("not a time zone; write for example UTC or Europe/Berlin")
		}
		*field(t.Settings) = z
		return v, nil
	}
}

// reserve accepts a share in percent.
func reserve(source string, trigger quota.Trigger) parser {
	return func(t *target, v string) (string, error) {
		var share int
		canonical, err := integer(0, 100, func(*Settings) *int { return &share })(t, v)
		if err != nil {
			return "", fmt.Errorf("%w (percent)", err)
		}
		t.Sources[source].Reserve[trigger] = share
		return canonical, nil
	}
}
