package quota

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

// trace says how many units are spent in the minute that begins at a time.
type trace func(at time.Time) int64

// steady spends all the time the same.
func steady(at time.Time) int64 { return int64(at.Minute()%7) / 6 * 2 }

// bursty spends in 20 bursts a day, at times that nobody can foresee.
func bursty(seed uint64) trace {
	bursts := map[time.Time]int64{}
	rng := rand.New(rand.NewPCG(seed, 0))
	for day := range 31 {
		for range 20 {
			bursts[november.Add(time.Duration(day*24*60+rng.IntN(24*60))*time.Minute)] += 20
		}
	}
	return func(at time.Time) int64 { return bursts[at] }
}

// weekly spends in office hours, on Saturdays a little, on Sundays nothing.
func weekly(at time.Time) int64 {
	office := at.Hour() >= 8 && at.Hour() < 18 && at.Minute()%10 == 0
	switch {
	case !office || at.Weekday() == time.Sunday:
		return 0
	case at.Weekday() == time.Saturday:
		return 2
	default:
		return 9
	}
}

var november = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// play spends a trace from the clock's time until an end, or until the quota
// refuses; that moment is returned.
func play(t *testing.T, l *Ledger, clock *testClock, tr trace, until time.Time) (exhausted time.Time) {
	t.Helper()
	for ; clock.now().Before(until); clock.add(time.Minute) {
		n := tr(clock.now())
		if n == 0 {
			continue
		}
		r := ask(Playbook)
		r.Units = n
		d, err := l.Reserve(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		if !d.Allowed {
			return clock.now()
		}
		if err := l.Settle(d.ID, Spent, 200); err != nil {
			t.Fatal(err)
		}
	}
	return time.Time{}
}

// At half of the month the forecast is within six hours of the truth, also when
// the ledger was opened only then.
func TestForecastOfTraces(t *testing.T) {
	for name, tr := range map[string]trace{"steady": steady, "bursty": bursty(1), "bursty otherwise": bursty(2), "weekly": weekly} {
		t.Run(name, func(t *testing.T) {
			path, clock := filepath.Join(t.TempDir(), "ledger.db"), newTestClock(november)
			account := Account{Limits: limits(t, "10000/month")}
			l := openAt(t, path, clock, account)
			play(t, l, clock, tr, november.AddDate(0, 0, 15))
			forecast := usage(l).Windows[0].Forecast
			if forecast == nil || forecast.Last6h == nil && name != "weekly" || forecast.Window == nil || forecast.Week == nil || forecast.Latest == nil {
				t.Fatalf("no forecast: %+v", forecast)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = openAt(t, path, clock, account)
			if again := usage(l).Windows[0].Forecast; again == nil || !again.At.Equal(forecast.At) {
				t.Errorf("after a restart %+v, before %+v", again, forecast)
			}
			truth := play(t, l, clock, tr, november.AddDate(0, 1, 0))
			if truth.IsZero() {
				t.Fatal("the trace never runs out")
			}
			off := forecast.At.Sub(truth)
			t.Logf("forecast %s, truth %s, off by %s, spread %s", forecast.At, truth, off, forecast.Latest.Sub(forecast.At))
			if off.Abs() > 6*time.Hour {
				t.Errorf("off by %s: %+v", off, forecast)
			}
		})
	}
}

func TestForecastIsSilent(t *testing.T) {
	clock := newTestClock(november)
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), clock, Account{Limits: limits(t, "1000/hour,1000/rolling day,1000/day,10000/month")})
	sustainable := func(at time.Time) int64 { return int64(at.Minute()%15) / 14 * 3 } // 288 a day
	silent := func(when string) {
		t.Helper()
		for _, w := range usage(l).Windows {
			if w.Forecast != nil {
				t.Errorf("%s, %s: %+v", when, w.Window, w.Forecast)
			}
		}
	}
	play(t, l, clock, func(time.Time) int64 { return 1 }, november.Add(19*time.Minute))
	silent("19 units")
	play(t, l, clock, sustainable, november.AddDate(0, 0, 12))
	silent("sustainable")
	// Then a playbook goes wild: six hours are enough to see it.
	play(t, l, clock, func(at time.Time) int64 { return int64(at.Minute()%5) / 4 * 2 }, november.AddDate(0, 0, 12).Add(6*time.Hour))
	u := usage(l)
	month := u.Windows[3].Forecast
	if month == nil || month.Last6h == nil || !month.At.Equal(*month.Last6h) || month.Latest != nil || month.At.After(november.AddDate(0, 0, 26)) {
		t.Errorf("a playbook that goes wild: %+v", month)
	}
}

// A ledger that begins late in the month knows nothing of the days before: its
// rate is that of the time since, and at least ten minutes make one.
func TestForecastOfLateInstall(t *testing.T) {
	installed := november.AddDate(0, 0, 25).Add(10*time.Hour + 20*time.Minute)
	path, clock := filepath.Join(t.TempDir(), "ledger.db"), newTestClock(installed)
	account := Account{Limits: limits(t, "60/month")}
	l := openAt(t, path, clock, account)
	spend(t, l, 55, ask(Manual))
	clock.add(3 * time.Second)
	const seconds = 5 * 600 / 55 // for the five that are left
	want := clock.now().Add(seconds * time.Second)
	f := usage(l).Windows[0].Forecast
	if f == nil || f.At.Sub(want).Abs() > time.Second || f.Window != nil || f.Latest == nil {
		t.Errorf("55 of 60 in three seconds: %+v, want %s", f, want)
	}
	if since := usage(l).Windows[0].Since; !since.Equal(installed) {
		t.Errorf("books since %s", since)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openAt(t, path, clock, account)
	if again := usage(l).Windows[0].Forecast; again == nil || !again.At.Equal(f.At) {
		t.Errorf("after a restart %+v, before %+v", again, f)
	}
}

func TestForecastOfFirstMinutes(t *testing.T) {
	installed := november.AddDate(0, 0, 25).Add(10*time.Hour + 50*time.Minute)
	clock := newTestClock(installed)
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), clock, Account{Limits: limits(t, "10000/month")})
	play(t, l, clock, func(time.Time) int64 { return 9 }, installed.Add(20*time.Minute)) // over a full hour
	f := usage(l).Windows[0].Forecast
	if want := clock.now().Add(9820 * time.Hour / 540); f == nil || f.At.Sub(want).Abs() > time.Second {
		t.Errorf("180 in 20 minutes: %+v, want %s", f, want)
	}
	// Two days later it has a rate of the window so far.
	play(t, l, clock, func(at time.Time) int64 { return int64(at.Minute()%30) / 29 * 50 }, installed.Add(48*time.Hour))
	f = usage(l).Windows[0].Forecast
	if truth := play(t, l, clock, func(at time.Time) int64 { return int64(at.Minute()%30) / 29 * 50 }, november.AddDate(0, 1, 0)); f == nil || f.Window == nil || f.Window.Sub(truth).Abs() > 3*time.Hour {
		t.Errorf("after two days: %+v, and it ran out at %s", f, truth)
	}
}

// What was used elsewhere before the ledger began had the whole window.
func TestForecastOfInitialUsage(t *testing.T) {
	clock := newTestClock(november.AddDate(0, 0, 25))
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), clock, Account{Limits: limits(t, "10000/month"), Initial: map[Period]int64{Month: 9000}})
	for range 3 {
		f := usage(l).Windows[0].Forecast
		if want := november.AddDate(0, 0, 27).Add(18 * time.Hour); f == nil || f.Window == nil || f.Window.Sub(want).Abs() > 12*time.Hour {
			t.Errorf("9000 elsewhere in 25 days: %+v, want about %s", f, want)
		}
		spend(t, l, 3, ask(Manual))
		clock.add(time.Hour)
	}
}

// A run-away shows while its first hour is under way, whatever was before; what
// goes on as it went shows at no minute of an hour.
func TestForecastOfRunaway(t *testing.T) {
	clock := newTestClock(november)
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), clock, Account{Limits: limits(t, "10000/month")})
	sustainable := func(at time.Time) int64 { return int64(at.Minute()%15) / 14 * 3 }
	play(t, l, clock, sustainable, november.AddDate(0, 0, 9))
	for clock.now().Before(november.AddDate(0, 0, 10)) {
		play(t, l, clock, sustainable, clock.now().Add(7*time.Minute))
		if f := usage(l).Windows[0].Forecast; f != nil {
			t.Fatalf("sustainable, at %s: %+v", clock.now(), f)
		}
	}
	play(t, l, clock, sustainable, november.AddDate(0, 0, 10).Add(time.Hour))
	play(t, l, clock, func(time.Time) int64 { return 9 }, clock.now().Add(20*time.Minute))
	w := usage(l).Windows[0]
	want := clock.now().Add(time.Duration(w.Remaining) * time.Hour / 540)
	if f := w.Forecast; f == nil || f.At.Sub(want).Abs() > time.Second {
		t.Errorf("180 in 20 minutes: %+v, want %s", f, want)
	}
	if !w.Since.Equal(november) {
		t.Errorf("books since %s", w.Since)
	}
}

func BenchmarkForecast(b *testing.B) {
	clock := newTestClock(november)
	l := openAt(b, filepath.Join(b.TempDir(), "ledger.db"), clock, Account{Limits: limits(b, "200/minute,1000/day,10000/month")})
	for range 200 {
		spend(b, l, 1, ask(Manual))
		clock.add(time.Hour)
	}
	for b.Loop() {
		l.Usage()
	}
}
