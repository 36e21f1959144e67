package dashboards

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{num(int64(0)), "0"}, {num(int64(999)), "999"}, {num(int64(1000)), "1,000"}, {num(int64(-1234567)), "−1,234,567"}, {num(uint64(12)), "12"},
		{byteSize(999), "999 B"}, {byteSize(1500), "1.5 kB"}, {byteSize(2_340_000_000), "2.3 GB"},
		{percent(1, 3), "33 %"}, {percent(1, 0), "–"}, {money(15210, 0.04, "EUR"), "EUR 608.40"},
		{span(0), "0 µs"}, {span(8 * time.Millisecond), "8 ms"}, {span(61 * time.Second), "1 min 1 s"}, {span(26 * time.Hour), "1 d 2 h"}, {span(24*time.Hour + 5*time.Minute), "1 d"}, {span(-time.Hour), "−1 h"},
		{ago(time.Time{}, noon), "never"}, {ago(noon.Add(-90*time.Second), noon), "1 min 30 s ago"}, {in(noon, noon), "now"}, {in(noon.Add(time.Hour), noon), "in 1 h"},
		{date(noon), "Wed 18 Nov, 12:00"}, {stamp(noon), "18 Nov 12:00:00"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// The sentence that the operator reads first.
func TestJudge(t *testing.T) {
	reset := noon.Add(10 * 24 * time.Hour)
	w := func(left int64, f *Forecast) Window {
		return Window{Period: "month", Limit: 1000, Used: 1000 - left, Left: left, Reset: reset, Forecast: f}
	}
	for _, c := range []struct {
		w     Window
		level Level
		says  string
	}{
		{w(400, nil), Good, "Too little was spent lately to tell when the month runs out; 400 of 1,000 units are left."},
		{w(400, &Forecast{Rate: 1}), Good, "At this rate the month lasts: about 160 units will be left at its reset on Sat 28 Nov, 12:00."},
		{w(400, &Forecast{Rate: 1, RunsOut: reset.Add(time.Hour)}), Good, "the month lasts: about 160"},
		{w(400, &Forecast{Rate: 4, RunsOut: noon.Add(100 * time.Hour), Latest: noon.Add(120 * time.Hour), Basis: "the last 6 h"}), Warn, "At the rate of the last 6 h the month runs out on Sun 22 Nov, 16:00, 5 d 20 h before its reset; at the latest Mon 23 Nov, 12:00."},
		{w(400, &Forecast{Rate: 4, RunsOut: noon.Add(100 * time.Hour)}), Warn, "before its reset; by other estimates it lasts."},
		{w(4, &Forecast{Rate: 4, RunsOut: noon.Add(time.Hour), Latest: noon.Add(time.Hour)}), Bad, "runs out on Wed 18 Nov, 13:00, 9 d 23 h before its reset."},
		{w(0, nil), Bad, "The month is used up; it opens again on Sat 28 Nov, 12:00, in 10 d."},
		{Window{Period: "day", Limit: 10, Used: 5, Pending: 5, Reset: reset}, Warn, "The rest of the day is in use by calls under way."},
	} {
		v := judge(c.w, noon)
		if s := v.Before + v.Strong + v.After; v.Level != c.level || !strings.Contains(s, c.says) {
			t.Errorf("%v: %q, want %q", v.Level, s, c.says)
		}
	}
}

// A source is judged by the window that is worst off, else by the longest.
func TestDecisive(t *testing.T) {
	reset := noon.Add(6 * time.Hour)
	minute, day, month := Window{Period: "minute", Rolling: true, Limit: 10, Left: 5}, Window{Period: "day", Limit: 10, Left: 5, Reset: reset}, Window{Period: "month", Limit: 10, Left: 5, Reset: noon.Add(200 * time.Hour)}
	rolling := Window{Period: "rolling_month", Rolling: true, Limit: 10, Left: 5}
	fullMinute, endingDay, fullRolling := minute, day, rolling
	fullMinute.Left, fullRolling.Left = 0, 0
	endingDay.Forecast = &Forecast{RunsOut: noon.Add(time.Hour), Rate: 5}
	for _, c := range []struct {
		of   []Window
		want string
	}{
		{[]Window{minute, month, day}, "month"}, {[]Window{day, rolling, minute}, "day"}, {[]Window{minute, rolling}, "rolling_month"},
		{[]Window{minute, month, endingDay}, "day"}, {[]Window{month, fullRolling}, "rolling_month"}, {[]Window{fullMinute, month}, "minute"},
	} {
		if got := decisive(c.of, noon); got.Period != c.want {
			t.Errorf("%s, want %s", got.Period, c.want)
		}
	}
	if decisive(nil, noon) != nil {
		t.Error("there is none")
	}
}

func TestBurnDown(t *testing.T) {
	w := Window{Period: "month", Limit: 1000, Used: 600, Left: 400, Start: noon.Add(-50 * time.Hour), Reset: noon.Add(50 * time.Hour),
		Floors:   []Floor{{"playbook", 100}, {"api", 200}, {"auto", 1000}},
		History:  []Point{{noon.Add(-50 * time.Hour), 1000}, {noon.Add(-25 * time.Hour), 700}},
		Forecast: &Forecast{RunsOut: noon.Add(25 * time.Hour), Rate: 16}}
	c := burnDown(&w, noon)
	// A stair: 1000 until the quarter, 700 from there.
	if c.Line != "0,0 25,0 25,30 50,60" || c.Area != "0,100 0,0 25,0 25,30 50,60 50,100" || c.NowX != "50" {
		t.Errorf("line %q, area %q, now %q", c.Line, c.Area, c.NowX)
	}
	if c.Ahead != "50,60 75,100" || c.OutX != "75" || c.FloorY != "80" || c.FloorName != "api" {
		t.Errorf("%+v", c)
	}
	w.Forecast = &Forecast{Rate: 4}
	if c = burnDown(&w, noon); c.Ahead != "50,60 100,80" || c.OutX != "" || !strings.Contains(c.Summary, "about 200 will be left") {
		t.Errorf("%+v", c)
	}
	w.History = nil
	for i := range 5000 {
		w.History = append(w.History, Point{w.Start.Add(time.Duration(i) * 36 * time.Second), 1000 - int64(i)/10})
	}
	if c = burnDown(&w, noon); len(c.Rows) != maxRows || strings.Count(c.Line, " ") > 2*maxPoints || !c.Rows[0].At.Equal(w.Start) {
		t.Errorf("%d rows, %d points", len(c.Rows), strings.Count(c.Line, " "))
	}
	w.Rolling = true
	if burnDown(&w, noon) != nil || burnDown(nil, noon) != nil || burnDown(&Window{}, noon) != nil {
		t.Error("there is nothing to draw")
	}
}

// A page is small and nothing of it comes twice.
func TestPageWeight(t *testing.T) {
	_, s := page(t, story(), nil)
	g := newGuest(t, s.URL)
	g.send("POST", "/sign-in", url.Values{"token": {adminToken}})
	total := 0
	for _, path := range []string{"/", "/assets/style.css", "/assets/live.js", "/assets/icon.svg"} {
		_, body := g.get(path)
		t.Logf("%s: %d bytes", path, len(body))
		total += len(body)
	}
	if total > 60_000 {
		t.Errorf("the overview weighs %d bytes", total)
	}
}

func BenchmarkOverview(b *testing.B) {
	backend := story()
	p := New(Config{Reader: backend, Decisions: backend, Books: backend, Answers: backend, Now: func() time.Time { return noon }})
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), "GET", "http://localhost/", nil)
		w := httptest.NewRecorder()
		if p.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
