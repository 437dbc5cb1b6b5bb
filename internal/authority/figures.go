package authority

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// Figure names a number of a day. It is stored, so it is never renamed.
type Figure string

// The figures.
const (
	LoginsPasskey  Figure = "login.passkey"
	LoginsOTP      Figure = "login.otp"
	LoginsPassword Figure = "login.password" // and nothing else

	CodesRight Figure = "otp.right"
	CodesWrong Figure = "otp.wrong"
	CodesUsed  Figure = "otp.used"
	TokenLocks Figure = "otp.locked"

	Approvals  Figure = "answer.approve"
	Rejections Figure = "answer.reject"
	Reports    Figure = "answer.report"

	Applications  Figure = "enrolment.applied"
	Keyed         Figure = "enrolment.registered"
	Starts        Figure = "enrolment.started"
	Cancellations Figure = "enrolment.cancelled"
	Lapses        Figure = "enrolment.expired"
	Burns         Figure = "enrolment.burnt"

	// TokensEnding has no days but the first of a month: how many tokens in use end in it.
	TokensEnding Figure = "tokens.ending"
	// TokensCounted says on which day that was last counted.
	TokensCounted Figure = "tokens.counted"
)

// DailyFigures are those that are counted from the trail, in reading order.
var DailyFigures = []Figure{LoginsPasskey, LoginsOTP, LoginsPassword, CodesRight, CodesWrong, CodesUsed, TokenLocks, Approvals, Rejections, Reports, Applications, Keyed, Starts, Cancellations, Lapses, Burns}

const (
	// figureMargin is how far behind now the trail is counted: an entry has the moment at which its deed began, and may be committed some seconds later (writeTimeout), by a node whose clock is a little off. What is
	// older than this has arrived.
	figureMargin = 2 * time.Minute
	figureBatch  = 5000
	figureRuns   = 20 // batches of one sweep
)

// japan is the time that the bank's days are of.
var japan = time.FixedZone("JST", 9*60*60)

// DayOf is the bank's day of a moment.
func DayOf(at time.Time) string { return at.In(japan).Format(time.DateOnly) }

// counted says what an entry of the trail counts as.
func counted(r db.TrailFromRow) []Figure {
	done := r.Outcome == string(audit.Done)
	detail := func(name string) string {
		var d map[string]string
		_ = json.Unmarshal([]byte(r.Detail), &d) // our own text
		return d[name]
	}
	first := func() bool { p := detail("purpose"); return p == "" || p == string(enrolment.First) } // the funnel is of first tokens
	switch audit.Action(r.Action) {
	case audit.LoginPasskey:
		if done {
			return []Figure{LoginsPasskey}
		}
	case audit.LoginPassword:
		if done && detail("level") == "full" {
			return []Figure{LoginsPassword}
		}
	case audit.LoginOTP, audit.OTPVerify:
		if done && audit.Action(r.Action) == audit.LoginOTP {
			return []Figure{LoginsOTP, CodesRight}
		} else if done {
			return []Figure{CodesRight}
		}
		return failed(r.Reason)
	case audit.TokenLock:
		return []Figure{TokenLocks}
	case audit.TransactionDecide:
		if done {
			if f, ok := map[string]Figure{string(transaction.Yes): Approvals, string(transaction.No): Rejections, string(transaction.NotMe): Reports}[detail("answer")]; ok {
				return []Figure{f}
			}
		}
	case audit.TransactionOffline:
		if done {
			return []Figure{Approvals}
		}
	case audit.TokenApply:
		if done {
			return []Figure{Applications}
		}
	case audit.TokenRegister:
		if done && first() {
			return []Figure{Keyed}
		}
	case audit.TokenStart:
		if done && r.ActorKind == string(audit.Customer) { // elsewhere a token takes the place of another
			return []Figure{Starts}
		}
	case audit.TokenCancel:
		if done {
			return []Figure{Cancellations}
		}
	case audit.EnrolmentExpire:
		if done && first() {
			return []Figure{Lapses}
		}
	case audit.EnrolmentBurn:
		if first() {
			return []Figure{Burns}
		}
	}
	return nil
}

// failed is what a code that was refused counts as. One that was not looked at, because there is no token or the service stands still, is neither right nor wrong.
func failed(reason string) []Figure {
	switch problem.Kind(reason) {
	case problem.OTPWrong, problem.OTPLocked, problem.FactorBlocked:
		return []Figure{CodesWrong}
	case problem.OTPUsed:
		return []Figure{CodesUsed}
	}
	return nil
}

// errCounted says that another node has counted these entries already.
var errCounted = errors.New("these entries have been counted")

// countFigures counts what has come into the trail since the mark. The mark and the numbers move in one write, from where the mark was: however many nodes do this, and wherever one of them is killed, every
// entry counts once.
func (a *Authority) countFigures(ctx context.Context, now time.Time) error {
	for range figureRuns {
		more, err := a.countSome(ctx, now)
		if errors.Is(err, errCounted) {
			return nil
		}
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (a *Authority) countSome(ctx context.Context, now time.Time) (more bool, err error) {
	mark, err := a.Store.Reader().FigureMark(ctx)
	if err != nil {
		return false, err
	}
	from, until := mark, idAt(ident.Entry, now.Add(-figureMargin))
	if from == "" {
		from = ident.Entry + "_"
	}
	if until <= from {
		return false, nil
	}
	rows, err := a.Store.Reader().TrailFrom(ctx, db.TrailFromParams{ID: from, ID_2: until, Limit: figureBatch})
	if err != nil {
		return false, err
	}
	type key struct{ name, day string }
	counts := map[key]int64{}
	for _, r := range rows {
		for _, f := range counted(r) {
			counts[key{string(f), DayOf(store.Time(r.At))}]++
		}
	}
	next := until
	if len(rows) == figureBatch {
		next, more = rows[len(rows)-1].ID+"~", true // sorts after this one and before any other
	} else if len(rows) == 0 && mark != "" && now.Second() >= 2 { // an idle bank writes once a minute
		return false, nil
	}
	return more, a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
		moved, err := store.Once(tx.MoveFigureMark(ctx, db.MoveFigureMarkParams{Next: next, Was: mark}))
		if err != nil {
			return err
		}
		if !moved {
			return errCounted
		}
		keys := make([]key, 0, len(counts))
		for k := range counts {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, func(x, y key) int { return strings.Compare(x.name+x.day, y.name+y.day) }) // rows are locked in one order everywhere
		for _, k := range keys {
			if err := tx.AddFigure(ctx, db.AddFigureParams{Name: k.name, Day: k.day, Count: counts[k]}); err != nil {
				return err
			}
		}
		return nil
	})
}

// endingMonths is for how many months, with this one, the ends of tokens are counted.
const endingMonths = 37

// countTokens counts once a day in which months the tokens in use end. That needs every token, by its index, and so is not for a page to do.
func (a *Authority) countTokens(ctx context.Context, now time.Time) error {
	today := DayOf(now)
	have, err := a.Store.Reader().FiguresBetween(ctx, db.FiguresBetweenParams{Name: string(TokensCounted), First: today, Last: today})
	if err != nil || len(have) > 0 {
		return err
	}
	local := now.In(japan)
	var rows []db.SetFigureParams
	for m := range endingMonths {
		first := time.Date(local.Year(), local.Month()+time.Month(m), 1, 0, 0, 0, 0, japan)
		n, err := a.Store.Reader().TokensEnding(ctx, db.TokensEndingParams{Since: store.Micros(first), Until: store.Micros(first.AddDate(0, 1, 0))})
		if err != nil {
			return err
		}
		rows = append(rows, db.SetFigureParams{Name: string(TokensEnding), Day: first.Format(time.DateOnly), Count: n})
	}
	return a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, r := range append(rows, db.SetFigureParams{Name: string(TokensCounted), Day: today, Count: 1}) {
			if err := tx.SetFigure(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// FigureSpans are the days that a page of figures may show.
var FigureSpans = []int{7, 30, 90}

// Figures are the numbers of a page. Every series has one number for each day.
type Figures struct {
	Days    []string // the oldest first
	Daily   map[Figure][]int64
	Months  []string // YYYY-MM
	Ending  []int64  // tokens in use that end in this month
	Queues  []QueueAges
	Counted time.Time // up to here the trail has been counted; zero where nothing has yet
}

// Sum is a figure over all days.
func (f Figures) Sum(name Figure) (n int64) {
	for _, x := range f.Daily[name] {
		n += x
	}
	return n
}

// QueueAges is how long what is in a queue has waited: how many not yet a day, one to three days, three to seven, and longer.
type QueueAges struct {
	Queue string // cases or incidents
	Ages  [4]int
}

// Figures reads the numbers of the latest days. It reads no trail: at the most some hundred rows, however large the bank.
func (a *Authority) Figures(ctx context.Context, s StaffSession, days int) (f Figures, err error) {
	if err := a.seesDesk(s, staff.FiguresSee); err != nil {
		return f, err
	}
	if !slices.Contains(FigureSpans, days) {
		return f, problem.New(problem.NotFound)
	}
	now, err := a.moment()
	if err != nil {
		return f, err
	}
	local := now.In(japan)
	place := map[string]int{}
	for i := range days {
		day := local.AddDate(0, 0, i-days+1).Format(time.DateOnly)
		f.Days = append(f.Days, day)
		place[day] = i
	}
	q := a.Store.Reader()
	f.Daily = map[Figure][]int64{}
	for _, name := range DailyFigures {
		series := make([]int64, days)
		rows, err := q.FiguresBetween(ctx, db.FiguresBetweenParams{Name: string(name), First: f.Days[0], Last: f.Days[days-1]})
		if err != nil {
			return f, err
		}
		for _, r := range rows {
			series[place[r.Day]] = r.Count
		}
		f.Daily[name] = series
	}
	first := time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, japan)
	ending, err := q.FiguresBetween(ctx, db.FiguresBetweenParams{Name: string(TokensEnding), First: first.Format(time.DateOnly), Last: first.AddDate(0, endingMonths-1, 0).Format(time.DateOnly)})
	if err != nil {
		return f, err
	}
	for _, r := range ending {
		f.Months, f.Ending = append(f.Months, r.Day[:7]), append(f.Ending, r.Count)
	}
	mark, err := q.FigureMark(ctx)
	if err != nil {
		return f, err
	}
	if mark != "" {
		f.Counted = now.Add(-figureMargin)
		if rows, err := q.TrailByTime(ctx, db.TrailByTimeParams{ID: mark, ID_2: ident.Entry + "_", Limit: 1}); err != nil {
			return f, err
		} else if len(rows) == 1 && mark < idAt(ident.Entry, now.Add(-2*figureMargin)) {
			f.Counted = store.Time(rows[0].At)
		}
	}
	cases, err := q.OpenReleaseAges(ctx)
	if err != nil {
		return f, err
	}
	incidents, err := q.OpenIncidentAges(ctx)
	if err != nil {
		return f, err
	}
	f.Queues = []QueueAges{ages("cases", cases, now), ages("incidents", incidents, now)}
	return f, nil
}

func ages(queue string, since []int64, now time.Time) QueueAges {
	w := QueueAges{Queue: queue}
	for _, at := range since {
		switch age := now.Sub(store.Time(at)); {
		case age < 24*time.Hour:
			w.Ages[0]++
		case age < 3*24*time.Hour:
			w.Ages[1]++
		case age < 7*24*time.Hour:
			w.Ages[2]++
		default:
			w.Ages[3]++
		}
	}
	return w
}
