package quota

import (
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func TestParseLimits(t *testing.T) {
	for in, want := range map[string]string{
		"200/minute":                         "200/minute",
		" 200/minute , 1000/day,10000/month": "200/minute 1000/day 10000/month",
		"none":                               "",
		"NONE":                               "",
		"1000/rolling day,1000/day":          "1000/rolling day 1000/day",
		"60/calendar minute":                 "60/calendar minute",
		"1000/day@6:00":                      "1000/day@06:00",
		"10000/month@15 Europe/Berlin":       "10000/month@15 Europe/Berlin",
		"500/week@Sunday@06:00 Asia/Tokyo":   "500/week@sunday@06:00 Asia/Tokyo",
		"500/week@monday":                    "500/week",
		"1/month@28@23:00":                   "1/month@28@23:00",
		"5/Day":                              "5/day",
		"200/day, search:100/day,search : 5/rolling day": "200/day search:100/day search:5/rolling day",
		"a_1:5/month@15 Europe/Berlin":                   "a_1:5/month@15 Europe/Berlin",

		"":                            "! is not a limit",
		"200":                         "! is not a limit",
		"0/day":                       "! a limit is between 1 and",
		"-1/day":                      "! a limit is between 1 and",
		"x/day":                       `! "x" is not a whole number`,
		"1.5/day":                     `! "1.5" is not a whole number`,
		"99999999999999999999/day":    "! is not a whole number",
		"5/fortnight":                 `! "fortnight" is not a period`,
		"5/day,6/day":                 "! limit the same period",
		"5/rolling day,6/rolling day": "! limit the same period",
		"200/minute,100/day":          `! "200/minute" can never be used up: "100/day" allows less`,
		"5/":                          "! write units/period",
		"5/day Europe/Berlin extra":   "! write units/period",
		"5/day Mars/Olympus":          `! "Mars/Olympus" is not a time zone`,
		"5/day Local":                 `! "Local" is not a time zone`,
		"5/month@29":                  "! not every month has a 29th",
		"5/month@0":                   "! there is no day 0",
		"5/month@x":                   "! is neither a day nor a full hour",
		"5/day@6":                     "! is not a full hour",
		"5/day@24:00":                 "! reset hour 24",
		"5/day@6:30":                  "! is not a full hour",
		"5/week@someday":              `! "someday" is not a weekday`,
		"5/minute@06:00":              "! a rolling window has no reset",
		"5/calendar minute@06:00":     "! a window of a minute has no reset hour",
		"5/rolling month@15":          "! a rolling window has no reset",
		"5/rolling day Europe/Berlin": "! a rolling window has no reset and no time zone",
		"5/rolling":                   "! write units/period",
		"Search:5/day":                `! "Search" is no name of a bucket`,
		":5/day":                      `! "" is no name of a bucket`,
		"a:5/day,a:6/day":             "! limit the same period",
		"a:5/minute,a:4/day":          `! "a:5/minute" can never be used up: "a:4/day" allows less`,
		"a:5/minute,4/day":            `! "a:5/minute" can never be used up: "4/day" allows less`,
	} {
		limits, err := ParseLimits(in)
		if wrong, bad := strings.CutPrefix(want, "! "); bad {
			if err == nil || !strings.Contains(err.Error(), wrong) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %v, %v; want %q", in, limits, err, wrong)
			}
			continue
		}
		var got []string
		for _, l := range limits {
			got = append(got, l.String())
		}
		if s := strings.Join(got, " "); err != nil || s != want {
			t.Errorf("%q: %q, %v; want %q", in, s, err, want)
		}
		if again, err := ParseLimits(strings.Join(got, ",")); len(got) > 0 && (err != nil || len(again) != len(limits)) {
			t.Errorf("%q is not read again: %v", got, err)
		}
	}
}

func FuzzParseLimits(f *testing.F) {
	for _, s := range []string{"200/minute,10000/month@15 Europe/Berlin", "1/rolling day", "5/week@sunday@06:00", "none", "5/@@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		limits, err := ParseLimits(s)
		if err != nil {
			if strings.Contains(err.Error(), "\n") && !strings.Contains(s, "\n") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		for _, l := range limits {
			start, end := l.bounds(noon)
			if !start.Before(end) || start.After(noon) {
				t.Errorf("%s: %s – %s", l, start, end)
			}
			if again, err := ParseLimits(l.String()); err != nil || again[0].String() != l.String() {
				t.Errorf("%s is read as %v, %v", l, again, err)
			}
		}
	})
}

func TestLimitsFromYAML(t *testing.T) {
	for in, want := range map[string]string{
		"- {limit: 200, per: minute}\n- {limit: 1000, per: day, timezone: Europe/Berlin, reset_hour: 6}": "200/minute 1000/day@06:00 Europe/Berlin",
		"- {limit: 1000, per: day, rolling: true}":                                                       "1000/rolling day",
		"- {limit: 60, per: minute, rolling: false}":                                                     "60/calendar minute",
		"- {limit: 10000, per: month, reset_day: 15}":                                                    "10000/month@15",
		"- {limit: 10000, per: week, reset_weekday: sunday}":                                             "10000/week@sunday",
		"- {limit: 10000, per: month, reset_day: 31}":                                                    "! not every month has a 29th",
		"- {limit: 10000, per: day, reset_day: 3}":                                                       "! only a month has a reset day",
		"- {limit: 10000, per: day, reset_weekday: sunday}":                                              "! only a week has a reset weekday",
		"- {limit: 0, per: day}":                                                                         "! a limit is between 1 and",
		"- {limit: 5}":                                                                                   `! "" is not a period`,
		"- {limit: 5, per: hour, timezone: CEST}":                                                        `! "CEST" is not a time zone`,
	} {
		var specs []LimitSpec
		if err := yaml.Unmarshal([]byte(in), &specs); err != nil {
			t.Fatal(err)
		}
		limits, err := NewLimits(specs)
		if wrong, bad := strings.CutPrefix(want, "! "); bad {
			if err == nil || !strings.Contains(err.Error(), wrong) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, %v; want %q", in, limits, err, wrong)
			}
			continue
		}
		var got []string
		for _, l := range limits {
			got = append(got, l.String())
		}
		if s := strings.Join(got, " "); err != nil || s != want {
			t.Errorf("%s: %q, %v; want %q", in, s, err, want)
		}
	}
}

func TestAccountIsValidated(t *testing.T) {
	day := limits(t, "10/day")
	for want, a := range map[string]Account{
		"safety margin 0.6":             {Limits: day, Margin: 0.6},
		"floor of playbook: 1.5":        {Limits: day, Floors: map[Trigger]float64{Playbook: 1.5}},
		"initial usage of the month":    {Limits: day, Initial: map[Period]int64{Month: 5}},
		"initial usage of the day: -5":  {Limits: day, Initial: map[Period]int64{Day: -5}},
		"budget of client soar: \"5/mi": {Limits: day, Clients: map[string][]Limit{"soar": {{Units: 5, Per: Minute, Rolling: true}, {Units: 4, Per: Day, ResetWeekday: time.Monday}}}},
		"no such period":                {Limits: []Limit{{Units: 5}}},
	} {
		if err := a.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
