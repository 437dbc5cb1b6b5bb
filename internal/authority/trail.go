package authority

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

const (
	// TrailPage is how many entries one page of a search has.
	TrailPage = 50
	// trailLook is how many entries one page looks at, at the most, before it shows what it has found and offers to go on: a search for what is rare among millions never holds the database.
	trailLook = 5000
	// ExportAtOnce is how many rows one person may take by herself.
	ExportAtOnce = 100
	// exportLook is how many entries an export looks at, at the most.
	exportLook = 400_000
	// exportLife is how long what two persons have agreed on can be fetched.
	exportLife = 24 * time.Hour
)

// bulk are the acts that are everywhere in the trail: no index has them, and none is needed to find them.
var bulk = []audit.Action{audit.OTPVerify, audit.TransactionCreate, audit.TransactionDecide, audit.TransactionConsume, audit.LoginPassword, audit.LoginOTP, audit.LoginPasskey, audit.Logout, audit.AccessGrant, audit.AccessRedeem}

// trailRows reads the newest entries before one of them on, by the index that fits the filter best. Not all of them need to fit.
func trailRows(ctx context.Context, q *db.Queries, f audit.Filter, before string, limit int32) ([]db.AuditEntry, error) {
	from := idAt(ident.Entry, f.From)
	if f.From.IsZero() {
		from = ident.Entry + "_"
	}
	if !f.Until.IsZero() {
		before = min(before, idAt(ident.Entry, f.Until))
	}
	switch {
	case f.Customer != "":
		return q.TrailByCustomer(ctx, db.TrailByCustomerParams{Customer: f.Customer, ID: before, ID_2: from, Limit: limit})
	case f.Staff != "":
		return q.TrailByStaff(ctx, db.TrailByStaffParams{Actor: f.Staff, ID: before, ID_2: from, Limit: limit})
	case f.Action != "" && !slices.Contains(bulk, f.Action):
		return q.TrailByAction(ctx, db.TrailByActionParams{Action: string(f.Action), ID: before, ID_2: from, Limit: limit})
	}
	return q.TrailByTime(ctx, db.TrailByTimeParams{ID: before, ID_2: from, Limit: limit})
}

// searchTrail finds up to most entries that fit, the newest first, and looks at no more than look. next is where to go on; empty where there is nothing more.
func searchTrail(ctx context.Context, q *db.Queries, f audit.Filter, before string, most, look int) (found []audit.Entry, next string, err error) {
	batch := 200
	for looked := 0; looked < look; looked += batch {
		rows, err := trailRows(ctx, q, f, before, int32(batch)) //nolint:gosec // it is small
		if err != nil {
			return nil, "", err
		}
		for _, r := range rows {
			if e := store.Entry(r); f.Fits(e) {
				if len(found) == most { // there is one more
					return found, before, nil
				}
				found = append(found, e)
			}
			before = r.ID
		}
		if len(rows) < batch {
			return found, "", nil
		}
		batch = min(5*batch, 2000)
	}
	return found, before, nil
}

// TrailFound is one page of a search.
type TrailFound struct {
	Filter  audit.Filter
	Entries []audit.Entry
	Next    string // where the following page begins; empty at the end
	Names   map[string]string
	Exports []TrailExport // what this member may fetch
}

// checkFilter refuses what is no filter: nothing else than identifiers and known words reaches the database.
func checkFilter(f audit.Filter) error {
	switch {
	case f.Customer != "" && ident.Check(ident.Customer, f.Customer) != nil:
		return problem.New(problem.Malformed, "field", "customer")
	case f.Staff != "" && ident.Check(ident.Staff, f.Staff) != nil:
		return problem.New(problem.Malformed, "field", "staff")
	case f.Action != "" && !slices.Contains(audit.Actions, f.Action):
		return problem.New(problem.Malformed, "field", "action")
	case f.Outcome != "" && f.Outcome != audit.Done && f.Outcome != audit.Refused:
		return problem.New(problem.Malformed, "field", "outcome")
	case !f.From.IsZero() && !f.Until.IsZero() && !f.From.Before(f.Until):
		return problem.New(problem.Malformed, "field", "until")
	}
	return nil
}

// SearchTrail shows a part of the trail, from before one entry on. To look is itself on record, each page of it: who looked for whom, and by what.
func (a *Authority) SearchTrail(ctx context.Context, s StaffSession, f audit.Filter, before string) (TrailFound, error) {
	return a.SearchTrailFor(ctx, s, "", f, before)
}

// SearchTrailFor is SearchTrail for the customer whom somebody has typed, where typed is not empty. She is looked up in the write that puts the look on record, and who types one after the other whom nobody knows is
// stopped as at the look-up (C-74).
func (a *Authority) SearchTrailFor(ctx context.Context, s StaffSession, typed string, f audit.Filter, before string) (found TrailFound, err error) {
	if err := a.seesDesk(s, staff.TrailSee); err != nil {
		return found, err
	}
	if before != "" && ident.Check(ident.Entry, before) != nil {
		return found, problem.New(problem.NotFound)
	}
	if err := checkFilter(f); err != nil {
		return found, err
	}
	her := f.Customer
	err = a.atDesk(ctx, s, staff.TrailSee, audit.TrailSearch, func(ctx context.Context, d *deed) error {
		if typed != "" {
			var err error
			d.detail = map[string]string{"by": "customer"}
			if her, err = d.trailCustomer(ctx, s, typed); err != nil || d.kept != nil {
				return err
			}
		}
		f := f
		f.Customer = her
		d.on(f.Customer, f.Staff)
		d.detail = map[string]string{"by": f.Kinds()}
		if f.Action != "" {
			d.detail["action"] = string(f.Action)
		}
		if before != "" {
			d.detail["before"] = before
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	f.Customer = her
	found.Filter = f
	if before == "" {
		before = afterAll(ident.Entry)
	}
	if found.Entries, found.Next, err = searchTrail(ctx, a.Store.Reader(), f, before, TrailPage, trailLook); err != nil {
		return found, err
	}
	if found.Names, err = a.NamesOf(ctx, found.Entries); err != nil {
		return found, err
	}
	found.Exports, err = a.trailExports(ctx, s)
	return found, err
}

// TrailMembers is everybody who was ever a member of staff, for the choice of whose acts to look for.
func (a *Authority) TrailMembers(ctx context.Context, s StaffSession) ([]staff.Member, error) {
	if err := a.seesDesk(s, staff.TrailSee); err != nil {
		return nil, err
	}
	rows, err := a.Store.Reader().AllStaff(ctx)
	out := make([]staff.Member, len(rows))
	for i, r := range rows {
		out[i] = store.Staff(r)
	}
	return out, err
}

// NamesOf gives the names of the members of staff who act in these entries.
func (a *Authority) NamesOf(ctx context.Context, entries []audit.Entry) (map[string]string, error) {
	names := map[string]string{}
	for _, e := range entries {
		for _, id := range []string{e.Actor.ID, e.Object} {
			if ident.Check(ident.Staff, id) != nil {
				continue
			}
			if _, err := a.staffName(ctx, id, names); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

// TrailCustomer finds the customer whom somebody who exports from the trail has typed. The look is on record, and counts where it finds nobody.
func (a *Authority) TrailCustomer(ctx context.Context, s StaffSession, typed string) (id string, err error) {
	err = a.atDesk(ctx, s, staff.TrailSee, audit.TrailSearch, func(ctx context.Context, d *deed) (err error) {
		d.detail = map[string]string{"by": "customer"}
		if id, err = d.trailCustomer(ctx, s, typed); id != "" {
			d.on(id, "")
		}
		return err
	})
	return id, err
}

// trailCustomer is one customer, by our identifier, by the bank's reference, or by branch, type and number of her account, or the deed is refused. What was typed is never part of a pattern (C-74).
func (d *deed) trailCustomer(ctx context.Context, s StaffSession, typed string) (string, error) {
	bucket, err := d.countLook(ctx, s)
	if err != nil {
		return "", err
	}
	c, err := d.typedCustomer(ctx, strings.TrimSpace(norm.NFKC.String(typed)))
	if errors.Is(err, store.ErrNone) {
		return "", d.refuse(problem.New(problem.AccountNone))
	}
	if err != nil {
		return "", err
	}
	return c.ID, d.GiveBackThrottle(ctx, bucket)
}

func (d *deed) typedCustomer(ctx context.Context, typed string) (db.Customer, error) {
	if !isRef(typed) || typed == "" {
		return db.Customer{}, store.ErrNone
	}
	if ident.Check(ident.Customer, typed) == nil {
		return d.CustomerByID(ctx, typed)
	}
	if c, err := d.CustomerByRef(ctx, typed); !errors.Is(err, store.ErrNone) {
		return c, err
	}
	part := strings.FieldsFunc(typed, func(r rune) bool { return r == ' ' || r == '-' || r == '/' })
	if len(part) == 2 {
		part = []string{part[0], AccountTypes[0], part[1]}
	}
	if len(part) != 3 {
		return db.Customer{}, store.ErrNone
	}
	rows, err := d.CustomersByAccount(ctx, db.CustomersByAccountParams{Branch: part[0], AccountType: part[1], AccountNumber: part[2]})
	if err != nil || len(rows) != 1 {
		return db.Customer{}, errors.Join(err, orNothing(err))
	}
	return rows[0], nil
}

// TrailExport is a part of the trail that two persons have agreed to hand out.
type TrailExport struct {
	ID, Order   string
	Filter      audit.Filter
	Made, Until time.Time
}

func exportOf(r db.TrailExport) (x TrailExport, err error) {
	x = TrailExport{ID: r.ID, Order: r.StaffOrder, Made: store.Time(r.MadeAt), Until: store.Time(r.UntilAt)}
	return x, json.Unmarshal([]byte(r.Filter), &x.Filter)
}

// trailExports are those that this member may fetch now.
func (a *Authority) trailExports(ctx context.Context, s StaffSession) (out []TrailExport, err error) {
	now, err := a.moment()
	if err != nil || !staff.May(s.Role, staff.ExportAsk) {
		return nil, err
	}
	rows, err := a.Store.Reader().TrailExportsOf(ctx, db.TrailExportsOfParams{Staff: s.Staff, Now: store.Micros(now)})
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		x, err := exportOf(r)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// exportKind is the order for an export: the exact filter, with its end in time fixed when it was asked.
const exportKind = "trail.export"

// exportBody is what such an order says. Rows is how many entries there were when it was asked.
type exportBody struct {
	audit.Filter
	Rows int `json:"rows"`
}

func init() {
	orderKinds[exportKind] = orderKind{ask: staff.ExportAsk, check: staff.ExportCheck, prepare: prepareExport, carry: carryExport}
}

// prepareExport says what would leave the house. It reads nothing of the trail: the filter, its end fixed, is what was asked and what will be given.
func prepareExport(_ context.Context, d *deed, body json.RawMessage) (string, map[string]string, error) {
	var b exportBody
	if err := json.Unmarshal(body, &b); err != nil {
		return "", nil, problem.New(problem.Malformed)
	}
	if err := checkFilter(b.Filter); err != nil {
		return "", nil, err
	}
	if b.Until.IsZero() || b.Until.After(d.now) || b.Rows < 0 || b.Rows > audit.ExportRows {
		return "", nil, problem.New(problem.Malformed, "field", "until")
	}
	d.on(b.Customer, "")
	sum := sha256.Sum256(body)
	detail := map[string]string{"rows": strconv.Itoa(b.Rows), "until": b.Until.Format(time.RFC3339)}
	for name, v := range map[string]string{"customer": b.Customer, "staff": b.Staff, "action": string(b.Action), "outcome": string(b.Outcome)} {
		if v != "" {
			detail[name] = v
		}
	}
	if !b.From.IsZero() {
		detail["from"] = b.From.Format(time.RFC3339)
	}
	return hex.EncodeToString(sum[:16]), detail, nil
}

// carryExport makes the export one that its asker, and nobody else, may fetch for a day.
func carryExport(ctx context.Context, d *deed, o orderRow) error {
	var b exportBody
	if err := json.Unmarshal([]byte(o.Body), &b); err != nil {
		return err
	}
	filter, err := json.Marshal(b.Filter)
	if err != nil {
		return err
	}
	return d.InsertTrailExport(ctx, db.InsertTrailExportParams{ID: d.a.newID(ident.TrailExport, d.now), StaffOrder: o.ID, Staff: o.Maker, Checker: d.by.ID, Filter: string(filter), MadeAt: store.Micros(d.now),
		UntilAt: store.Micros(d.now.Add(exportLife))})
}

// exportEntries are all that a filter asks for, or a refusal where that is more than one file holds.
func (a *Authority) exportEntries(ctx context.Context, f audit.Filter, most int) ([]audit.Entry, bool, error) {
	entries, next, err := searchTrail(ctx, a.Store.Reader(), f, afterAll(ident.Entry), most, exportLook)
	return entries, next == "", err
}

// AskExport asks a second person to let a part of the trail leave the house.
func (a *Authority) AskExport(ctx context.Context, s StaffSession, f audit.Filter, reason string) (Order, error) {
	f, err := a.fixed(s, f)
	if err != nil {
		return Order{}, err
	}
	entries, all, err := a.exportEntries(ctx, f, audit.ExportRows)
	if err != nil {
		return Order{}, err
	}
	if !all {
		return Order{}, a.noExport(ctx, s, f, problem.New(problem.ExportWide, "limit", audit.ExportRows))
	}
	return a.AskOrder(ctx, s, exportKind, exportBody{f, len(entries)}, reason)
}

// fixed is the filter with its end in time: what comes into the trail later is not part of it, and what has come by then is complete (figureMargin), so that the same export is the same file whenever it is made.
func (a *Authority) fixed(s StaffSession, f audit.Filter) (audit.Filter, error) {
	now, err := a.moment()
	if err != nil {
		return f, err
	}
	if err := a.seesDesk(s, staff.ExportAsk); err != nil {
		return f, err
	}
	if whole := now.Add(-figureMargin).Truncate(time.Millisecond); f.Until.IsZero() || f.Until.After(whole) {
		f.Until = whole
	}
	return f, checkFilter(f)
}

// ExportFile is a file that leaves the house.
type ExportFile struct {
	Name, Kind string
	Body       []byte
}

// ExportForms are the forms in which the trail leaves: the signed one, and one for spreadsheets.
var ExportForms = []string{"jsonl", "csv"}

// ExportNow takes a small part of the trail in which no customer stands, by one person. Anything else needs two.
func (a *Authority) ExportNow(ctx context.Context, s StaffSession, f audit.Filter, form string) (ExportFile, error) {
	f, err := a.fixed(s, f)
	if err != nil {
		return ExportFile{}, err
	}
	entries, all, err := a.exportEntries(ctx, f, ExportAtOnce)
	if err != nil {
		return ExportFile{}, err
	}
	if !all || slices.ContainsFunc(entries, func(e audit.Entry) bool {
		return e.Customer != "" || e.Actor.Kind == audit.Customer || e.Actor.Kind == audit.Token
	}) {
		return ExportFile{}, a.noExport(ctx, s, f, problem.New(problem.ExportSecond, "limit", ExportAtOnce))
	}
	return a.export(ctx, s, audit.Export{Filter: f, Entries: entries}, form, "")
}

// noExport writes down that somebody wanted more than she may have, or than a file holds.
func (a *Authority) noExport(ctx context.Context, s StaffSession, f audit.Filter, refusal error) error {
	now, err := a.moment()
	if err != nil {
		return err
	}
	return a.writeRefusal(ctx, &deed{a: a, now: now, by: s.Actor(), action: audit.TrailExport, customer: f.Customer, detail: map[string]string{"by": f.Kinds()}}, refusal)
}

// FetchExport takes what two persons have agreed on. It can be fetched again while its time lasts; each time is on record.
func (a *Authority) FetchExport(ctx context.Context, s StaffSession, id, form string) (ExportFile, error) {
	now, err := a.moment()
	if err != nil {
		return ExportFile{}, err
	}
	if err := a.seesDesk(s, staff.ExportAsk); err != nil {
		return ExportFile{}, err
	}
	if ident.Check(ident.TrailExport, id) != nil {
		return ExportFile{}, problem.New(problem.NotFound)
	}
	row, err := a.Store.Reader().TrailExportByID(ctx, id)
	if errors.Is(err, store.ErrNone) || err == nil && (row.Staff != s.Staff || row.UntilAt <= store.Micros(now)) {
		return ExportFile{}, problem.New(problem.NotFound)
	}
	if err != nil {
		return ExportFile{}, err
	}
	x, err := exportOf(row)
	if err != nil {
		return ExportFile{}, err
	}
	entries, all, err := a.exportEntries(ctx, x.Filter, audit.ExportRows)
	if err != nil {
		return ExportFile{}, err
	}
	if !all {
		return ExportFile{}, a.noExport(ctx, s, x.Filter, problem.New(problem.ExportWide, "limit", audit.ExportRows))
	}
	return a.export(ctx, s, audit.Export{CheckedBy: row.Checker, Filter: x.Filter, Entries: entries}, form, id)
}

// export makes the file and writes down that it leaves; nothing leaves of which that is not written.
func (a *Authority) export(ctx context.Context, s StaffSession, x audit.Export, form, id string) (file ExportFile, err error) {
	if !slices.Contains(ExportForms, form) {
		return file, problem.New(problem.Malformed, "field", "form")
	}
	now, err := a.moment()
	if err != nil {
		return file, err
	}
	x.Issuer, x.Made, x.By = a.Bank.TokenOrigin, now, s.Staff
	file = ExportFile{Name: "inkan-trail-" + now.Format("20060102-150405") + "." + form, Kind: "application/jsonl"}
	if form == "csv" {
		file.Kind, file.Body = "text/csv; charset=utf-8", audit.CSV(x.Entries)
	} else {
		issuer := a.Keys.Issuer()
		if file.Body, err = x.Write(issuer.Kid, issuer.Envelope, a.Keys.SignIssuer); err != nil {
			return ExportFile{}, err
		}
	}
	hash := signing.Hash(file.Body)
	err = a.atDesk(ctx, s, staff.ExportAsk, audit.TrailExport, func(_ context.Context, d *deed) error {
		d.on(x.Filter.Customer, id)
		d.detail = map[string]string{"by": x.Filter.Kinds(), "rows": strconv.Itoa(len(x.Entries)), "form": form, "hash": hash}
		return nil
	})
	if err != nil {
		return ExportFile{}, err
	}
	return file, nil
}
