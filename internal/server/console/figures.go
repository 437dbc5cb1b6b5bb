package console

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-analyze/charts"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
)

// pictureCSP is that of a picture: its own styles and nothing else, whoever opens it by itself.
const pictureCSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

// picture is one picture of the figures: what its bars are, and in how many parts.
type picture struct {
	Name   string
	series []authority.Figure
	lying  bool // one bar for each series, over all days
	months bool
	queues bool
}

// pictures are all of them in the order of the page.
var pictures = []picture{
	{Name: "logins", series: []authority.Figure{authority.LoginsPasskey, authority.LoginsOTP, authority.LoginsPassword}},
	{Name: "codes", series: []authority.Figure{authority.CodesWrong, authority.CodesUsed, authority.TokenLocks}},
	{Name: "answers", series: []authority.Figure{authority.Approvals, authority.Rejections, authority.Reports}},
	{Name: "enrolments", series: []authority.Figure{authority.Applications, authority.Keyed, authority.Starts, authority.Cancellations, authority.Lapses, authority.Burns}, lying: true},
	{Name: "ending", months: true},
	{Name: "queues", queues: true},
}

// table is a picture as numbers: what is drawn is what is read.
type table struct {
	Name  string
	Parts []string // names of the columns
	Rows  []tableRow
	Sums  []int64
	Empty bool
	sizes [][]float64
	lying bool
}

type tableRow struct {
	Name   string
	Counts []int64
}

// table makes the numbers of a picture.
func (v *view) table(p picture, f authority.Figures) table {
	t := table{Name: p.Name, lying: p.lying || p.queues}
	row := func(name string, counts ...int64) { t.Rows = append(t.Rows, tableRow{name, counts}) }
	switch {
	case p.months:
		t.Parts = []string{v.T("figure.tokens.ending")}
		for i, m := range f.Months {
			row(m, f.Ending[i])
		}
	case p.queues:
		for _, q := range f.Queues {
			t.Parts = append(t.Parts, v.T("figure.queue."+q.Queue))
		}
		for i, age := range []string{"day", "three", "week", "longer"} {
			r := tableRow{Name: v.T("figure.age." + age)}
			for _, q := range f.Queues {
				r.Counts = append(r.Counts, int64(q.Ages[i]))
			}
			t.Rows = append(t.Rows, r)
		}
	case p.lying:
		t.Parts = []string{v.T("figure.sum")}
		for _, name := range p.series {
			row(v.T("figure."+string(name)), f.Sum(name))
		}
	default:
		for _, name := range p.series {
			t.Parts = append(t.Parts, v.T("figure."+string(name)))
		}
		for i, day := range f.Days {
			r := tableRow{Name: strings.ReplaceAll(day[5:], "-", "/")}
			for _, name := range p.series {
				r.Counts = append(r.Counts, f.Daily[name][i])
			}
			t.Rows = append(t.Rows, r)
		}
	}
	t.Sums, t.sizes, t.Empty = make([]int64, len(t.Parts)), make([][]float64, len(t.Parts)), true
	for _, r := range t.Rows {
		for i, n := range r.Counts {
			t.Sums[i] += n
			t.sizes[i] = append(t.sizes[i], float64(n))
			t.Empty = t.Empty && n == 0
		}
	}
	return t
}

type figuresData struct {
	Days    int
	Spans   []int
	Tables  []table
	Counted time.Time
	Lang    string
}

// days is how many days a page of figures is asked for.
func days(r *http.Request) (int, error) {
	word := r.URL.Query().Get("days")
	if word == "" {
		return 30, nil
	}
	n, err := strconv.Atoi(word)
	if err != nil || !slices.Contains(authority.FigureSpans, n) {
		return 0, problem.New(problem.NotFound)
	}
	return n, nil
}

func (s *Server) showFigures(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	n, err := days(r)
	if err != nil {
		return err
	}
	f, err := s.Authority.Figures(r.Context(), on, n)
	if err != nil {
		return err
	}
	v := s.view(r, "figures")
	d := figuresData{Days: n, Spans: authority.FigureSpans, Counted: f.Counted, Lang: v.Lang}
	for _, p := range pictures {
		d.Tables = append(d.Tables, v.table(p, f))
	}
	s.show(w, r, on, "figures", d)
	return nil
}

// drawFigure answers with one picture.
func (s *Server) drawFigure(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	n, err := days(r)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(pictures, func(p picture) bool { return p.Name+".svg" == r.PathValue("picture") })
	if at < 0 {
		return problem.New(problem.NotFound)
	}
	f, err := s.Authority.Figures(r.Context(), on, n)
	if err != nil {
		return err
	}
	svg, err := draw(s.view(r, "figures").table(pictures[at], f))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Content-Security-Policy", pictureCSP)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(svg)
	return nil
}

// The parts of a bar differ by how light they are, so that they are told apart on grey paper; the legend and the table below say which is which.
var (
	shades = []charts.Color{{R: 0x1d, G: 0x4f, B: 0x7c, A: 255}, {R: 0x7f, G: 0xa9, B: 0xcc, A: 255}, {R: 0xd8, G: 0xcf, B: 0xb4, A: 255}}
	inkOn  = charts.Color{R: 0x1b, G: 0x1a, B: 0x18, A: 255}
	paper  = charts.Color{R: 255, G: 255, B: 255, A: 255}
	hair   = charts.Color{R: 0xdd, G: 0xd8, B: 0xcd, A: 255}
)

// size is that of a picture, in its own units; the page scales it.
const (
	pictureWidth  = 960
	pictureHeight = 300
)

var family = regexp.MustCompile(`font-family:[^;"]*`)

// draw makes the picture of a table.
func draw(t table) ([]byte, error) {
	theme := charts.GetTheme(charts.ThemeLight).WithSeriesColors(shades).WithBackgroundColor(paper).WithTextColor(inkOn).WithAxisSplitLineColor(hair)
	font := charts.FontStyle{FontSize: 11, FontColor: inkOn}
	opt := charts.NewBarChartOptionWithData(t.sizes)
	opt.Theme = theme
	opt.Padding = charts.Box{Top: 12, Right: 32, Bottom: 12, Left: 16, IsSet: true}
	opt.ValueFormatter = func(f float64) string {
		if f != float64(int64(f)) { // half a log-in is none
			return ""
		}
		return grouped(int64(f))
	}
	words := stand{}
	for _, r := range t.Rows {
		opt.CategoryAxis.Labels = append(opt.CategoryAxis.Labels, words.in(r.Name))
	}
	parts := make([]string, len(t.Parts))
	for i, p := range t.Parts {
		parts[i] = words.in(p)
	}
	opt.CategoryAxis.LabelFontStyle, opt.CategoryAxis.LabelCount = font, 12
	if len(t.Rows) == 37 { // three years and a month: every sixth has its name
		opt.CategoryAxis.LabelCount = 7
	}
	opt.ValueAxis = []charts.ValueAxisOption{{LabelFontStyle: font, Min: charts.Ptr(0.0), ValueFormatter: opt.ValueFormatter, PreferNiceIntervals: charts.Ptr(true)}}
	if most := t.most(); most < 5 { // no steps of a half
		opt.ValueAxis[0].Max, opt.ValueAxis[0].Unit = charts.Ptr(5.0), 1
	}
	opt.Legend = charts.LegendOption{SeriesNames: parts, Show: charts.Ptr(len(t.Parts) > 1), FontStyle: font}
	opt.StackSeries = charts.Ptr(len(t.Parts) > 1 && !t.lying)
	height := pictureHeight
	if t.lying {
		opt.Horizontal = true
		height = 60 + 44*len(t.Rows)
		slices.Reverse(opt.CategoryAxis.Labels) // the first one stands above
		for i := range opt.SeriesList {
			opt.SeriesList[i].Values = slices.Clone(opt.SeriesList[i].Values)
			slices.Reverse(opt.SeriesList[i].Values)
		}
	}
	if t.lying || len(t.Parts) == 1 { // on a bar of several parts the counts would lie upon one another
		for i := range opt.SeriesList {
			opt.SeriesList[i].Label = charts.SeriesLabel{Show: charts.Ptr(true), FontStyle: charts.FontStyle{FontSize: 10, FontColor: inkOn}, ValueFormatter: opt.ValueFormatter}
		}
	}
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: pictureWidth, Height: height})
	if err := p.BarChart(opt); err != nil {
		return nil, fmt.Errorf("drawing %s: %w", t.Name, err)
	}
	svg, err := p.Bytes()
	if err != nil {
		return nil, fmt.Errorf("drawing %s: %w", t.Name, err)
	}
	svg = words.out(svg)
	return family.ReplaceAll(svg, []byte("font-family:sans-serif")), nil
}

// stand holds words that stand in for others while a picture is drawn: the library measures with a font of its own that knows no Japanese, and the picture is read in the reader's.
type stand map[string]string

// in gives a word of letters that is about as wide as the text.
func (s stand) in(text string) string {
	wide, plain := 0.0, true
	for _, r := range text {
		if r < 0x80 {
			wide += .55
		} else {
			wide, plain = wide+1, false
		}
	}
	if plain {
		return text
	}
	word := fmt.Sprintf("%02d%s", len(s), strings.Repeat("M", max(1, int(math.Ceil((wide-1.1)/.87)))))
	s[word] = text
	return word
}

// out puts the texts where the words stand.
func (s stand) out(svg []byte) []byte {
	for word, text := range s {
		svg = bytes.ReplaceAll(svg, []byte(">"+word+"<"), []byte(">"+html.EscapeString(text)+"<"))
	}
	return svg
}

func (t table) most() (n int64) {
	for _, r := range t.Rows {
		var sum int64
		for _, c := range r.Counts {
			sum += c
		}
		n = max(n, sum)
	}
	return n
}

// grouped writes a count with its thousands apart.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Grouped writes a count with its thousands apart.
func (v *view) Grouped(n int64) string { return grouped(n) }

type reportData struct {
	authority.ReleaseReport
	Lines          []line
	Previous, Next string // days; the next one empty today
	Shown          time.Time
}

// showReleaseReport is what was released on one day, by whom and where, for somebody who does neither (C-75).
func (s *Server) showReleaseReport(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	day := r.URL.Query().Get("day")
	if day == "" {
		day = authority.DayOf(s.Authority.Now())
	}
	report, err := s.Authority.ReleaseReport(r.Context(), on, day)
	if err != nil {
		return err
	}
	d := reportData{ReleaseReport: report, Shown: report.From}
	for _, e := range report.Entries {
		d.Lines = append(d.Lines, s.line(r, e, report.Names))
	}
	d.Previous = authority.DayOf(report.From.Add(-time.Hour))
	if report.Until.Before(s.Authority.Now()) {
		d.Next = authority.DayOf(report.Until)
	}
	s.show(w, r, on, "report-releases", d)
	return nil
}

// ReportColumns are the acts that have a column of their own in the daily report.
func (v *view) ReportColumns() (out []string) {
	for _, a := range authority.ReportColumns {
		out = append(out, strings.TrimPrefix(string(a), "release."))
	}
	return out
}
