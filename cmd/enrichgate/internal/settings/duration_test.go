package settings

import (
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"P30D": 30 * day, "PT24H": day, "P1DT2H": 26 * time.Hour, "P2W": 14 * day, "P1Y": 365 * day, "P1M": 30 * day,
		"PT1M": time.Minute, "P1M1DT1M": 31*day + time.Minute, "PT0.5S": time.Second / 2, "PT0,5H": 30 * time.Minute,
		"P0.5D": 12 * time.Hour, "p1dt1h": 25 * time.Hour, "P0D": 0, "PT0S": 0, "P1W1D": 8 * day, "PT36H": 36 * time.Hour,
		"24h": day, "1h30m": 90 * time.Minute, "0": 0, " 1s ": time.Second, "P106751D": 106751 * day, "PT0.0000000009S": 0,
	} {
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	const iso = "not an ISO 8601 duration; write for example P30D, PT24H or P1DT2H"
	const plain = "not a duration; write for example PT24H or 24h"
	for in, want := range map[string]string{
		"24 h": "not a duration; write PT24H or 24h", "30 days": "not a duration; write P30D", "30d": "not a duration; write P30D",
		"2w": "not a duration; write P2W", "5 Minutes": "not a duration; write PT5M or 5m", "90 sec": "not a duration; write PT90S or 90s",
		"": plain, "24": plain, "soon": plain, "3 months": plain, "h": plain, "00:05:00": plain,
		"P": iso, "PT": iso, "P1DT": iso, "P1H": iso, "PT1D": iso, "P1D1Y": iso, "P1D1D": iso, "PTT1H": iso, "P1": iso, "PD": iso,
		"P.5D": iso, "P5.D": iso, "P1.5DT1H": iso, "P-1D": iso, "P1,2,3D": iso, "P 1D": iso, "P1DT1HT1M": iso,
		"-P1D": "a duration cannot be negative", "-1h": "a duration cannot be negative",
		"P106752D": "longer than 292 years", "P999999999999999999999Y": "longer than 292 years", "999999999h": plain,
		strings.Repeat("9", 65): "not a duration; write PT24H or 24h",
	} {
		if got, err := ParseDuration(in); err == nil || err.Error() != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
}

// What is accepted is not negative, and reads the same when Go writes it.
func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"P30D", "PT24H", "P1DT2H", "P2W", "24h", "24 h", "PT0,5S", "P", "-1h", "P1Y2M3W4DT5H6M7.8S"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			if d != 0 || strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("%v, %q", d, err)
			}
			return
		}
		if again, err := ParseDuration(d.String()); d < 0 || err != nil || again != d {
			t.Fatalf("%q = %v, and again %v, %v", s, d, again, err)
		}
		if g, err := time.ParseDuration(strings.TrimSpace(s)); err == nil && g != d {
			t.Fatalf("%q = %v, Go says %v", s, d, g)
		}
	})
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "PT0S", 20 * time.Second: "PT20S", 7 * day: "P7D", 36 * time.Hour: "P1DT12H", 90 * time.Second: "PT1M30S", 1500 * time.Millisecond: "PT1.5S",
	} {
		got := FormatDuration(d)
		if back, err := ParseDuration(got); got != want || err != nil || back != d {
			t.Errorf("%v: %s, read back as %v, %v", d, got, back, err)
		}
	}
}
