package wire

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	today := time.Date(2026, 8, 22, 13, 30, 0, 0, time.UTC)
	in := func(d time.Duration) time.Time { return today.Add(d) }
	for header, want := range map[string]time.Time{
		"":                        {},
		"60":                      in(time.Minute),
		" 60 ":                    in(time.Minute),
		"3600":                    in(time.Hour),
		"3601":                    in(time.Hour),
		"315360000":               in(time.Hour),
		"99999999999999999999999": in(time.Hour),
		"0":                       {},
		"-5":                      {},
		"+5":                      {},
		"1.5":                     {},
		"soon":                    {},
		"٣":                       {},
		in(90 * time.Second).Format(http.TimeFormat):  in(90 * time.Second),
		in(-90 * time.Second).Format(http.TimeFormat): {},
		in(87600 * time.Hour).Format(http.TimeFormat): in(time.Hour),
		in(time.Minute).Format(time.RFC850):           in(time.Minute),
		in(time.Minute).Format(time.RFC3339):          {},
		"Tue, 99 Aug 2026 13:31:00 GMT":               {},
	} {
		if got := retryAfter(header, today); !got.Equal(want) {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}
