package quota

import (
	"maps"
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestCalendarWindows(t *testing.T) {
	berlin, kathmandu := zone(t, "Europe/Berlin"), zone(t, "Asia/Kathmandu")
	const layout = "2006-01-02 15:04:05"
	for _, c := range []struct {
		name            string
		limit           Limit
		now, start, end string // in the limit's zone
	}{
		{"a day", Limit{Per: Day}, "2026-11-23 23:59:59", "2026-11-23 00:00:00", "2026-11-24 00:00:00"},
		{"a reset belongs to the new day", Limit{Per: Day}, "2026-11-24 00:00:00", "2026-11-24 00:00:00", "2026-11-25 00:00:00"},
		{"a day that begins at six, before six", Limit{Per: Day, ResetHour: 6}, "2026-11-23 05:00:00", "2026-11-22 06:00:00", "2026-11-23 06:00:00"},
		{"a day that begins at six, after six", Limit{Per: Day, ResetHour: 6}, "2026-11-23 07:00:00", "2026-11-23 06:00:00", "2026-11-24 06:00:00"},
		{"a week", Limit{Per: Week, ResetWeekday: time.Monday}, "2026-11-29 12:00:00", "2026-11-23 00:00:00", "2026-11-30 00:00:00"},
		{"a week on its first day", Limit{Per: Week, ResetWeekday: time.Monday}, "2026-11-23 00:00:00", "2026-11-23 00:00:00", "2026-11-30 00:00:00"},
		{"a week before its hour", Limit{Per: Week, ResetWeekday: time.Monday, ResetHour: 9}, "2026-11-23 08:00:00", "2026-11-16 09:00:00", "2026-11-23 09:00:00"},
		{"a month", Limit{Per: Month}, "2026-01-31 10:00:00", "2026-01-01 00:00:00", "2026-02-01 00:00:00"},
		{"February of a leap year", Limit{Per: Month}, "2028-02-29 10:00:00", "2028-02-01 00:00:00", "2028-03-01 00:00:00"},
		{"a month from the 28th, across the year's end", Limit{Per: Month, ResetDay: 28}, "2027-01-05 00:00:00", "2026-12-28 00:00:00", "2027-01-28 00:00:00"},
		{"a month from the 15th, after it", Limit{Per: Month, ResetDay: 15}, "2026-11-23 00:00:00", "2026-11-15 00:00:00", "2026-12-15 00:00:00"},
		{"an hour in a zone with three quarters", Limit{Per: Hour, Zone: kathmandu}, "2026-11-23 10:50:00", "2026-11-23 10:00:00", "2026-11-23 11:00:00"},
		{"the 23 hour day", Limit{Per: Day, Zone: berlin}, "2026-03-29 12:00:00", "2026-03-29 00:00:00", "2026-03-30 00:00:00"},
		{"the 25 hour day", Limit{Per: Day, Zone: berlin}, "2026-10-25 12:00:00", "2026-10-25 00:00:00", "2026-10-26 00:00:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			z := c.limit.Zone
			if z == nil {
				z = time.UTC
			}
			now, err := time.ParseInLocation(layout, c.now, z)
			if err != nil {
				t.Fatal(err)
			}
			start, end := c.limit.bounds(now)
			if s, e := start.In(z).Format(layout), end.In(z).Format(layout); s != c.start || e != c.end {
				t.Errorf("%s – %s, want %s – %s", s, e, c.start, c.end)
			}
		})
	}
}

// A day has one reset, and a month as many as there are months, whatever a zone
// does to its clock in between: hours that it skips or repeats, days that it
// drops. No day leaks an hour into the next.
func TestOneResetPerWindow(t *testing.T) {
	for _, c := range []struct {
		zone string
		hour int
		year int
		days int
		odd  map[string]time.Duration // days that are not 24 hours long
	}{
		{"UTC", 0, 2028, 366, nil},
		{"Europe/Berlin", 0, 2026, 365, map[string]time.Duration{"2026-03-29": 23 * time.Hour, "2026-10-25": 25 * time.Hour}},
		{"Europe/Berlin", 2, 2026, 365, map[string]time.Duration{"2026-03-29": 23 * time.Hour, "2026-10-24": 25 * time.Hour}},
		{"America/New_York", 0, 2026, 365, map[string]time.Duration{"2026-03-08": 23 * time.Hour, "2026-11-01": 25 * time.Hour}},
		{"Australia/Lord_Howe", 0, 2026, 365, map[string]time.Duration{"2026-04-05": 24*time.Hour + 30*time.Minute, "2026-10-04": 23*time.Hour + 30*time.Minute}},
		{"America/Santiago", 0, 2026, 365, map[string]time.Duration{"2026-04-04": 25 * time.Hour, "2026-09-06": 23 * time.Hour}},
		{"Pacific/Apia", 0, 2011, 364, map[string]time.Duration{"2011-04-02": 25 * time.Hour, "2011-09-24": 23 * time.Hour}},
		{"Asia/Kathmandu", 5, 2027, 365, nil},
	} {
		z := zone(t, c.zone)
		l := Limit{Units: 1, Per: Day, Zone: z, ResetHour: c.hour}
		at := time.Date(c.year, 1, 1, c.hour, 0, 0, 0, z)
		end := time.Date(c.year+1, 1, 1, c.hour, 0, 0, 0, z)
		days, odd := 0, map[string]time.Duration{}
		for at.Before(end) {
			start, next := l.bounds(at)
			if !start.Equal(at) {
				t.Fatalf("%s: %s is in the window of %s", c.zone, at, start)
			}
			if d := next.Sub(start); d != 24*time.Hour {
				odd[start.In(z).Format(time.DateOnly)] = d
			}
			days++
			at = next
		}
		if days != c.days {
			t.Errorf("%s %d: %d resets, want %d", c.zone, c.year, days, c.days)
		}
		if !maps.Equal(odd, c.odd) {
			t.Errorf("%s %d: odd days %v, want %v", c.zone, c.year, odd, c.odd)
		}
		month := Limit{Units: 1, Per: Month, Zone: z, ResetDay: 28, ResetHour: c.hour}
		months, first := 0, time.Date(c.year, 1, 28, c.hour, 0, 0, 0, z)
		for at := first; at.Before(first.AddDate(1, 0, 0)); months++ {
			_, at = month.bounds(at)
		}
		if months != 12 {
			t.Errorf("%s %d: %d months", c.zone, c.year, months)
		}
	}
}

// Whatever the zone, the hour of the reset and the day: windows follow each
// other without gap or overlap, through every change of the clock in two years.
func TestWindowsTile(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago", "Africa/Casablanca"} {
		z := zone(t, name)
		for _, per := range []Period{Hour, Day, Week, Month} {
			for _, hour := range []int{0, 2, 3, 23} {
				l := Limit{Units: 1, Per: per, Zone: z, ResetHour: hour, ResetDay: 28}
				end := time.Date(2026, 1, 1, 0, 0, 0, 0, z)
				_, end = l.bounds(end)
				for range 800 {
					start, next := l.bounds(end)
					if !start.Equal(end) || !next.After(start) {
						t.Fatalf("%s, %s from %d h: after %s comes %s – %s", name, per, hour, end, start, next)
					}
					if s, _ := l.bounds(next.Add(-1)); !s.Equal(start) {
						t.Fatalf("%s, %s from %d h: the last moment of %s – %s is in the window of %s", name, per, hour, start, next, s)
					}
					end = next
				}
			}
		}
	}
}

// A clock that is set back: units are booked where they were, and stay there
// until it has caught up; what is measured in durations goes on.
func TestClockNeverRunsBackwards(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	wall := at
	c := newClock(func() time.Time { return wall }, time.Time{})
	read := func(stamp, steady time.Time) {
		t.Helper()
		got := c.now()
		if !got.wall.Equal(wall) || !got.stamp.Equal(stamp) || !got.steady.Equal(steady) {
			t.Errorf("%+v, want stamp %s, steady %s", got, stamp, steady)
		}
	}
	wall = at.Add(time.Minute)
	read(at.Add(time.Minute), at.Add(time.Minute))
	wall = at.Add(-time.Hour) // set back
	read(at.Add(time.Minute), at.Add(time.Minute))
	wall = at.Add(-time.Hour + 10*time.Second) // goes on at its pace
	read(at.Add(time.Minute), at.Add(time.Minute+10*time.Second))
	wall = at.Add(time.Hour) // and catches up
	read(at.Add(time.Hour), at.Add(2*time.Hour+time.Minute))
	// A restart that finds a later entry on disk books no earlier.
	c = newClock(func() time.Time { return wall }, at.Add(2*time.Hour))
	read(at.Add(2*time.Hour), at.Add(time.Hour))
}
