package authority

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// AttachScan keeps a scanned paper with a request that is still with the clerk. What it is, its first bytes say. The same paper twice is one.
func (a *Authority) AttachScan(ctx context.Context, s StaffSession, id string, version int64, paper []byte) error {
	kind := release.ScanKind(paper)
	hash := sha256.Sum256(paper)
	return a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseAttach, func(ctx context.Context, d *deed) error {
		there, err := d.ScansOf(ctx, id)
		if err != nil || slices.ContainsFunc(there, func(r db.ScansOfRow) bool { return bytes.Equal(r.Hash, hash[:]) }) { // the answer was lost, or it was pressed twice
			return err
		}
		row, err := d.editable(ctx, id, version)
		if err != nil {
			return err
		}
		if kind == "" || len(paper) > release.ScanBytes {
			return problem.New(problem.ScanRefused)
		}
		if len(there) >= release.Scans {
			return problem.New(problem.ScanRefused)
		}
		scan := a.newID(ident.Scan, d.now)
		sealed, err := a.Keys.Seal("release", "release_scan|"+scan+"|"+row.ID, paper)
		if err != nil {
			return err
		}
		d.detail = map[string]string{"scan": scan, "kind": kind}
		added, err := store.Once(d.InsertScan(ctx, db.InsertScanParams{ID: scan, Request: row.ID, Kind: kind, Size: int64(len(paper)), Hash: hash[:], Sealed: sealed, Staff: s.Staff, CreatedAt: store.Micros(d.now)}))
		if err != nil || !added {
			return err
		}
		return store.Must(d.EditRelease(ctx, db.EditReleaseParams{ID: row.ID, Customer: row.Customer, Branch: row.Branch, Desk: row.Desk, Hands: touched(row, s), ChangedAt: store.Micros(d.now), Version: version}))
	})
}

// Scan is a scanned paper with what stands on it. Every look at one is on record.
func (a *Authority) Scan(ctx context.Context, s StaffSession, id, scan string) (kind string, paper []byte, err error) {
	err = a.atDesk(ctx, s, staff.CaseSee, audit.ReleaseScan, func(ctx context.Context, d *deed) error {
		row, err := d.caseRow(ctx, id)
		if err != nil {
			return err
		}
		if ident.Check(ident.Scan, scan) != nil {
			return problem.New(problem.NotFound)
		}
		r, err := d.ScanByID(ctx, db.ScanByIDParams{ID: scan, Request: row.ID})
		if errors.Is(err, store.ErrNone) {
			return problem.New(problem.NotFound)
		}
		if err != nil {
			return err
		}
		d.detail = map[string]string{"scan": scan}
		kind = r.Kind
		paper, err = a.Keys.Open("release", "release_scan|"+r.ID+"|"+row.ID, r.Sealed)
		return err
	})
	return kind, paper, err
}
