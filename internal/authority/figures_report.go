package authority

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// reported are the acts of the daily report, in the order of its columns: what becomes of release requests, and what else opens or shows something.
var reported = []audit.Action{audit.ReleaseReceive, audit.ReleaseSubmit, audit.ReleaseReturn, audit.ReleaseGrant, audit.ReleaseDecline, audit.ServiceRestart, audit.TokenRelease, audit.TokenRevoke, audit.FactorRelease,
	audit.DownloadsReset, audit.PasswordIssue, audit.CustomerReveal, audit.SwitchSet, audit.PolicySet}

// ReportColumns are the acts that have a column of their own in the daily report.
var ReportColumns = reported[:5]

// reportRows is how many entries of one act a report reads. A bank with more than so many in a day has another problem.
const reportRows = 2000

// Tally is one line of the report: a branch or a person, and how often she did each act of ReportColumns.
type Tally struct {
	ID, Name string
	Counts   []int
	Other    int // all further acts of the report
}

// ReleaseReport is what was released on one day (C-75).
type ReleaseReport struct {
	Day         string
	From, Until time.Time
	Branches    []Tally
	Persons     []Tally
	Entries     []audit.Entry // the oldest first
	Names       map[string]string
	Cut         bool // there were more than are read
}

// ReleaseReport reads one day of Japan's time.
func (a *Authority) ReleaseReport(ctx context.Context, s StaffSession, day string) (r ReleaseReport, err error) {
	if err := a.seesDesk(s, staff.TrailSee); err != nil {
		return r, err
	}
	from, err := time.ParseInLocation(time.DateOnly, day, japan)
	if err != nil || from.Year() < 2020 || from.Year() > 9000 {
		return r, problem.New(problem.NotFound)
	}
	r = ReleaseReport{Day: day, From: from.UTC(), Until: from.AddDate(0, 0, 1).UTC()}
	for _, action := range reported {
		rows, err := a.Store.Reader().TrailByAction(ctx, db.TrailByActionParams{Action: string(action), ID: idAt(ident.Entry, r.Until), ID_2: idAt(ident.Entry, r.From), Limit: reportRows})
		if err != nil {
			return r, err
		}
		r.Cut = r.Cut || len(rows) == reportRows
		for _, row := range rows {
			e := store.Entry(row)
			if e.Outcome == audit.Done && (e.Actor.Kind == audit.Staff || e.Actor.Kind == audit.Operator || action == audit.ServiceRestart || action == audit.SwitchSet) {
				r.Entries = append(r.Entries, e)
			}
		}
	}
	slices.SortFunc(r.Entries, func(x, y audit.Entry) int { return strings.Compare(x.ID, y.ID) })
	if r.Names, err = a.NamesOf(ctx, r.Entries); err != nil {
		return r, err
	}
	branches, persons, known := map[string]*Tally{}, map[string]*Tally{}, map[string]string{}
	for _, e := range r.Entries {
		column := slices.Index(ReportColumns, e.Action)
		if column >= 0 {
			branch, err := a.branchOf(ctx, e, known)
			if err != nil {
				return r, err
			}
			count(branches, branch, branch, column)
		}
		if e.Actor.Kind == audit.Staff {
			count(persons, e.Actor.ID, r.Names[e.Actor.ID], column)
		}
	}
	r.Branches, r.Persons = sorted(branches), sorted(persons)
	return r, nil
}

// branchOf is the branch of the request that an entry is about; known remembers those of a report.
func (a *Authority) branchOf(ctx context.Context, e audit.Entry, known map[string]string) (string, error) {
	branch, is := e.Detail["branch"]
	if !is {
		branch, is = known[e.Object]
	}
	if is || ident.Check(ident.Release, e.Object) != nil {
		return branch, nil
	}
	row, err := a.Store.Reader().ReleaseByID(ctx, e.Object)
	if notNone(err) != nil { // one that is long gone has no branch any more
		return "", err
	}
	known[e.Object] = row.Branch
	return row.Branch, nil
}

func count(all map[string]*Tally, id, name string, column int) {
	t := all[id]
	if t == nil {
		t = &Tally{ID: id, Name: name, Counts: make([]int, len(ReportColumns))}
		all[id] = t
	}
	if column < 0 {
		t.Other++
	} else {
		t.Counts[column]++
	}
}

func sorted(all map[string]*Tally) (out []Tally) {
	for _, t := range all {
		out = append(out, *t)
	}
	slices.SortFunc(out, func(x, y Tally) int { return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.ID, y.ID)) })
	return out
}
