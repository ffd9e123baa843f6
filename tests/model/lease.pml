/* SPDX-License-Identifier: Apache-2.0
 *
 * lease.pml - model of the lease protocol (Spin 6.5+); docs/internals/lease.md.
 *
 * What it contains
 *   N managers, one lease row, an asynchronous network: every request may be delayed for ever, may be
 *   executed after its sender gave up on it (late commit), may be executed with the answer lost.
 *   A manager may pause for any time at any point (it is simply not scheduled while Clock ticks).
 *   Time is a set of countdown timers moved by Clock; clock-rate drift of each manager is bounded:
 *   in every window of D ticks a manager's clock may miss one tick (-DDRIFT).
 *   Backend kinds:
 *     default      one linearizable row (single server, or a synchronous group behind one writer)
 *     -DROLLBACK=k the backend may fall back k times to an earlier state of the row (asynchronous
 *                  master-master fail-over); the old server is dead from that moment (fenced), all
 *                  connections break
 *     -DREPL       multi-writer certified replication (Galera, multi-primary group): manager i talks
 *                  to replica i, whose copy of the row lags; writes of the row are certified
 *   Row versions are not numbers but "is still the current version" flags, so the number of
 *   renewals is unbounded and the state space is finite. Epochs are bounded by EMAX.
 *
 * Checked
 *   I1 fenced writes:  a fenced write commits only while the row carries the writer's (epoch, holder)
 *   I2 belief:         at any instant at most one manager holds an unexpired lease
 *   I3 epochs:         the epoch never decreases except by a rollback, a token is never used twice
 *   L  liveness (-DLIVE, ltl live): once faults stop, some manager holds the lease for ever
 *
 * Run by scripts/check_model, which knows the sizes that finish. Mutants (-DM_...), each of which must fail:
 * ACKTIME READSEND GRAB_EPOCH_CAS NAIVE_FENCE (also with REPL) RELEASE_ORDER READOPT, DRIFT with MARGIN=0; with
 * ROLLBACK=1: NORESET RESUME RELEASE_ANY EPOCH_ONLY RELEASE_LAPSED. -DNORELEASE shrinks the state space.
 */
#ifndef N
#define N 2
#endif
#ifndef D
#define D 2            /* lease duration, in ticks */
#endif
#ifndef MARGIN
#define MARGIN 0       /* holder's safety margin; >= 1 is needed with DRIFT */
#endif
#ifndef EMAX
#define EMAX 3         /* highest epoch explored */
#endif
#ifndef CRASHES
#define CRASHES 0      /* for safety a crash is a pause that never ends; used by LIVE */
#endif
#ifndef ROLLBACK
#define ROLLBACK 0
#endif
#define OBS D          /* challenger's wait */
#define NOBODY N
#define S (2*N)        /* request slots: i = current of manager i, N+i = abandoned by manager i */

/* kinds of request */
#define IDLE 0
#define RENEW 1
#define GRAB 2
#define RELEASE 3
#define FWRITE 4
#define READ 5
/* answers */
#define NONE 0
#define ONE 1          /* one row changed */
#define ZERO 2         /* no row changed */
#define ROW 3          /* read answer */
#define ERR 4          /* refused: certification failure, read-only, ... outcome known: not done */

/* ---- the backend */
byte row_e = 0, row_h = NOBODY; bit row_rel = 0;
byte gen = 0;                         /* which server answers; changes by rollback */
byte top_e = 0;                       /* highest epoch of this history */
#if ROLLBACK
byte sn_e = 0, sn_h = NOBODY; bit sn_rel = 0; bit sncur = 1; byte rolls = 0;
bit so[N], sq[S], sp[N];              /* "is the snapshot's version" flags */
#endif
#ifdef REPL
byte v_e[N], v_h[N]; bit v_rel[N]; bit vs[N]; /* replica i's copy; vs = copy is current */
bit ov[N], pv[N];                     /* observation / read answer equals the copy */
#endif
/* ---- requests and answers */
byte kind[S], q_e[S], q_g[S]; bit q_same[S]; byte q_oe[S];
#ifdef M_NAIVE_FENCE
bit q_chk[S];
#endif
byte rep[N], p_e[N], p_h[N]; bit p_rel[N], p_same[N], p_eq[N];
/* ---- managers */
bit alive[N], holder[N], has_obs[N], o_same[N], o_rel[N], seen[N];
byte my_e[N], valid[N], age[N], wait[N], o_e[N], o_h[N], seen_e[N], maxe[N], cgen[N], pk[N];
#ifdef M_READSEND
byte rwait[N];
#endif
#ifdef DRIFT
byte dr[N];
#endif
bit newc[N];           /* no renewal succeeded on this connection yet */
byte ban[N];           /* epochs <= ban are finished for this manager, never adopted or renewed again */
byte g_e[N], g_age[N]; /* own grab with unknown outcome: its epoch, time since it was sent */
byte crashes = 0;
bit stable = 0;
#ifdef LIVE
bit idlei[N];                         /* manager i has done its round since the last tick */
#define FAULTS (!stable)
#else
#define FAULTS true
#endif

#if N==2
#define TWO (valid[0]>0 && valid[1]>0)
#define LEADER ((valid[0]>0)||(valid[1]>0))
#else
#define TWO ((valid[0]>0&&valid[1]>0)||(valid[0]>0&&valid[2]>0)||(valid[1]>0&&valid[2]>0))
#define LEADER ((valid[0]>0)||(valid[1]>0)||(valid[2]>0))
#endif

inline touch() {                      /* a new version of the row: nobody's copy is current */
  k = 0;
  do :: k < N -> o_same[k] = 0; p_same[k] = 0;
#ifdef REPL
       vs[k] = 0;
#endif
       k++
     :: else -> break od;
  k = 0; do :: k < S -> q_same[k] = 0; k++ :: else -> break od;
#if ROLLBACK
  sncur = 0;
#endif
#ifdef REPL
  apply(i);
#endif
  k = 0
}
#ifdef REPL
inline apply(j) {
  if :: !vs[j] -> v_e[j] = row_e; v_h[j] = row_h; v_rel[j] = row_rel; vs[j] = 1; ov[j] = 0; pv[j] = 0
     :: else fi
}
#define L_E v_e[i]
#define L_H v_h[i]
#define L_REL v_rel[i]
#define CERT (vs[i])
#else
#define L_E row_e
#define L_H row_h
#define L_REL row_rel
#define CERT true
#endif
#ifdef M_RELEASE_LAPSED
#define MAYRELEASE true
#else
#define MAYRELEASE MAYRENEW      /* a lapsed holder on a new connection may not declare the lease free */
#endif
#ifdef M_EPOCH_ONLY
#define MATCH (L_E == q_e[s] && !L_REL && L_H != NOBODY)
#else
#define MATCH (L_E == q_e[s] && L_H == i && !L_REL)
#endif

inline clr(x) { kind[x] = IDLE; q_e[x] = 0; q_g[x] = 0; q_same[x] = 0; q_oe[x] = 0;
#if ROLLBACK
  sq[x] = 0;
#endif
}
inline answer(a) { if :: s < N -> rep[s] = a :: else fi }

/* the backend executes the request in slot s of manager i */
inline execute() {
  if
  :: kind[s] == RENEW ->
     if :: MATCH && CERT -> assert(row_e == q_e[s] && row_h == i && !row_rel);  /* I1 */
                            touch(); answer(ONE)
        :: MATCH && !CERT -> answer(ERR)
        :: !(MATCH) -> answer(ZERO) fi; clr(s)
  :: kind[s] == RELEASE ->
     if :: MATCH && CERT -> row_rel = 1; touch(); answer(ONE)
        :: MATCH && !CERT -> answer(ERR)
        :: !(MATCH) -> answer(ZERO) fi; clr(s)
  :: kind[s] == GRAB ->
     if
#ifdef M_GRAB_EPOCH_CAS
     :: (row_e == q_oe[s])
#else
     :: q_same[s]
#endif
        -> assert(q_e[s] > row_e);                        /* I3 */
           row_e = q_e[s]; row_h = i; row_rel = 0;
           if :: row_e > top_e -> top_e = row_e :: else fi;
           touch(); answer(ONE)
     :: else -> answer(ZERO) fi; clr(s)
  :: kind[s] == FWRITE ->
#ifdef M_NAIVE_FENCE
     /* INSERT .. SELECT .. FROM lease WHERE epoch=? : reads the row, does not write it */
#ifdef REPL
     if :: MATCH -> assert(row_e == q_e[s] && row_h == i); answer(ONE)
        :: else -> answer(ZERO) fi; clr(s)
#else
     if :: !q_chk[s] && MATCH -> q_chk[s] = 1              /* statement's snapshot */
        :: !q_chk[s] && !(MATCH) -> answer(ZERO); clr(s)
        :: q_chk[s] -> assert(row_e == q_e[s] && row_h == i); q_chk[s] = 0; answer(ONE); clr(s) fi
#endif
#else
     clr(s)     /* unused: the transaction also writes the lease row, so it is a RENEW */
#endif
  :: kind[s] == READ ->
     p_e[i] = L_E; p_h[i] = L_H; p_rel[i] = L_REL;
#ifdef REPL
     p_same[i] = vs[i]; p_eq[i] = (has_obs[i] && ov[i]); pv[i] = 1;
#else
     p_same[i] = 1; p_eq[i] = (has_obs[i] && o_same[i]);
#endif
#if ROLLBACK
     sp[i] = sncur;
#endif
     answer(ROW); clr(s)
  fi
}

inline send(k_, e_) {
  kind[i] = k_; q_e[i] = e_; q_g[i] = cgen[i]; q_same[i] = o_same[i]; q_oe[i] = o_e[i];
#if ROLLBACK
  sq[i] = so[i];
#endif
  rep[i] = NONE; pk[i] = k_; age[i] = 0
}
/* dead variables are zeroed to keep the state space small */
inline noobs() { has_obs[i] = 0; o_same[i] = 0; o_e[i] = 0; o_h[i] = 0; o_rel[i] = 0; wait[i] = 0;
#if ROLLBACK
  so[i] = 0;
#endif
#ifdef REPL
  ov[i] = 0;
#endif
}
inline noseen() { seen[i] = 0; seen_e[i] = 0 }
inline idle() { pk[i] = IDLE; rep[i] = NONE; age[i] = 0; p_e[i] = 0; p_h[i] = 0; p_rel[i] = 0; p_same[i] = 0; p_eq[i] = 0;
#if ROLLBACK
  sp[i] = 0;
#endif
#ifdef REPL
  pv[i] = 0;
#endif
#ifdef M_READSEND
  rwait[i] = 0;
#endif
}
inline lose() {
  valid[i] = 0; holder[i] = 0; newc[i] = 0;
#ifndef M_READOPT
  if :: my_e[i] > ban[i] -> ban[i] = my_e[i] :: else fi;
#endif
  my_e[i] = 0; noobs(); noseen()
}
inline forget() {                     /* the connection is gone */
#ifndef M_NORESET
  noobs();
#endif
#ifndef M_RELEASE_ANY
  noseen();
#endif
  if :: holder[i] -> newc[i] = 1 :: else fi;
  idle()
}
inline unsure() {                     /* never use that epoch for another attempt */
  if :: pk[i] == GRAB -> maxe[i] = maxe[i] + 1; g_e[i] = maxe[i]; g_age[i] = age[i]
     :: else fi
}
inline grant() {
#ifdef M_ACKTIME
  valid[i] = D - MARGIN;
#else
  if :: age[i] + MARGIN < D -> if :: D - MARGIN - age[i] > valid[i] -> valid[i] = D - MARGIN - age[i] :: else fi
     :: else fi;
#endif
  newc[i] = 0;
  assert(!TWO)                        /* I2 */
}
#define FREE (pk[i] == IDLE && kind[i] == IDLE && cgen[i] == gen)
#ifdef M_RESUME
#define MAYRENEW true
#else
#define MAYRENEW (!newc[i] || valid[i] > 0)  /* a lapsed lease is resumed only on the connection it was held on */
#endif
#ifdef M_RELEASE_ANY
#define FRESH (o_rel[i])
#else
#define FRESH (o_rel[i] && seen[i] && seen_e[i] == o_e[i] && o_e[i] >= maxe[i])
#endif
#ifdef LIVE
#define RND idlei[i] = 1
#define MAY (!stable || !idlei[i])
#define EOK (maxe[i] + 1 <= (stable -> EMAX : EMAX - 2))
#else
#define RND skip
#define MAY true
#define EOK (maxe[i] < EMAX)
#endif

#ifdef M_READOPT
#define ADOPT (p_e[i] == maxe[i])
#else
#define ADOPT (p_e[i] == g_e[i] && p_e[i] > ban[i] && g_age[i] + MARGIN < D)
#endif

#ifdef LIVE
#define LOOKOK !(has_obs[i] && (wait[i] == 0 || FRESH) && EOK)   /* no endless looking instead of grabbing */
#else
#define LOOKOK true
#endif

proctype Manager(byte i) {
  byte k = 0;
  do
  /* holder: renew (every fenced write is also a renewal), release */
  :: atomic { alive[i] && holder[i] && FREE && MAY && MAYRENEW -> send(RENEW, my_e[i]) }
  :: d_step { alive[i] && holder[i] && FREE && !(MAYRENEW) -> lose() }
#ifdef M_NAIVE_FENCE
  :: atomic { alive[i] && holder[i] && FREE -> send(FWRITE, my_e[i]) }
#endif
#ifndef NORELEASE
  :: atomic { FAULTS && alive[i] && holder[i] && FREE && MAYRELEASE ->
#ifdef M_RELEASE_ORDER
              send(RELEASE, my_e[i]) }
#else
              send(RELEASE, my_e[i]); lose() }
#endif
#endif
  /* challenger: look, grab */
  :: atomic { alive[i] && !holder[i] && FREE && MAY && LOOKOK -> send(READ, 0);
#ifdef M_READSEND
              rwait[i] = OBS;
#endif
            }
  :: atomic { alive[i] && !holder[i] && FREE && MAY && has_obs[i] && (wait[i] == 0 || FRESH) && EOK ->
              send(GRAB, maxe[i] + 1) }
  /* answers */
  :: d_step { alive[i] && pk[i] != IDLE && rep[i] != NONE ->
       if
       :: rep[i] == ERR -> skip
       :: rep[i] == ONE && (pk[i] == RENEW || pk[i] == FWRITE) -> if :: holder[i] -> grant() :: else fi
       :: rep[i] == ZERO && holder[i] && (pk[i] == RENEW || pk[i] == FWRITE) -> lose()
       :: rep[i] == ONE && pk[i] == GRAB -> holder[i] = 1; my_e[i] = maxe[i] + 1; maxe[i] = my_e[i]; grant(); noobs()
       :: rep[i] == ZERO && pk[i] == GRAB -> noobs()
       :: rep[i] == ZERO && !holder[i] && (pk[i] == RENEW || pk[i] == FWRITE) -> skip
       :: pk[i] == RELEASE && rep[i] != ERR ->
#ifdef M_RELEASE_ORDER
          lose();
#endif
          skip
       :: rep[i] == ROW ->
          if :: p_e[i] > maxe[i] -> maxe[i] = p_e[i] :: else fi;
          if :: p_h[i] == i && !p_rel[i] && ADOPT -> /* an own grab whose answer was lost: a late answer */
                holder[i] = 1; my_e[i] = p_e[i]; newc[i] = 1;
                if :: g_age[i] + MARGIN < D -> valid[i] = D - MARGIN - g_age[i] :: else -> valid[i] = 0 fi;
                assert(!TWO); g_e[i] = 0; g_age[i] = 0; noobs()
             :: else ->
                if :: p_eq[i] && has_obs[i] -> skip
                   :: else -> o_e[i] = p_e[i]; o_h[i] = p_h[i]; o_rel[i] = p_rel[i]; has_obs[i] = 1;
#ifdef M_READSEND
                      wait[i] = rwait[i];
#else
                      wait[i] = OBS;
#endif
                      if :: !p_rel[i] -> seen[i] = 1; seen_e[i] = p_e[i] :: else fi fi;
                o_same[i] = p_same[i];
#if ROLLBACK
                so[i] = sp[i];
#endif
#ifdef REPL
                ov[i] = pv[i];
#endif
          fi
       fi;
       idle(); RND }
  /* the sender gives up: the request stays in the network (late commit) or vanishes; an answer is lost */
  :: atomic { FAULTS && pk[i] != IDLE && kind[N+i] == IDLE && kind[i] != IDLE && kind[i] != READ ->
       kind[N+i] = kind[i]; q_e[N+i] = q_e[i]; q_g[N+i] = q_g[i]; q_same[N+i] = q_same[i]; q_oe[N+i] = q_oe[i];
#if ROLLBACK
       sq[N+i] = sq[i];
#endif
#ifdef M_NAIVE_FENCE
       q_chk[N+i] = q_chk[i]; q_chk[i] = 0;
#endif
       unsure();
       clr(i); forget() }
  :: atomic { pk[i] != IDLE && (FAULTS || q_g[i] != gen) ->
       unsure();
       clr(i); forget() }
  /* another server answers now */
  :: atomic { pk[i] == IDLE && cgen[i] != gen -> cgen[i] = gen; forget() }
  :: atomic { FAULTS && alive[i] && crashes < CRASHES -> crashes++; alive[i] = 0; lose(); maxe[i] = 0; ban[i] = 0; g_e[i] = 0; g_age[i] = 0; idle() }
  od
}

proctype Backend() {
  byte s, i, k;
  do
  :: atomic { (kind[0] != IDLE && q_g[0] == gen) -> s = 0; i = 0; execute() }
  :: atomic { (kind[1] != IDLE && q_g[1] == gen) -> s = 1; i = 1; execute() }
  :: atomic { (kind[N] != IDLE && q_g[N] == gen) -> s = N; i = 0; execute() }
  :: atomic { (kind[N+1] != IDLE && q_g[N+1] == gen) -> s = N+1; i = 1; execute() }
#if N==3
  :: atomic { (kind[2] != IDLE && q_g[2] == gen) -> s = 2; i = 2; execute() }
  :: atomic { (kind[5] != IDLE && q_g[5] == gen) -> s = 5; i = 2; execute() }
#endif
#ifdef REPL
  :: d_step { !vs[0] -> apply(0) }
  :: d_step { !vs[1] -> apply(1) }
#if N==3
  :: d_step { !vs[2] -> apply(2) }
#endif
#endif
#if ROLLBACK
  :: d_step { FAULTS && rolls < ROLLBACK && !sncur ->      /* the standby catches up to here */
       sn_e = row_e; sn_h = row_h; sn_rel = row_rel; sncur = 1;
       k = 0; do :: k < N -> so[k] = o_same[k]; sp[k] = p_same[k]; k++ :: else -> break od;
       k = 0; do :: k < S -> sq[k] = q_same[k]; k++ :: else -> break od; k = 0 }
  :: d_step { FAULTS && rolls < ROLLBACK ->                /* fail over to the standby */
       rolls++; gen++; row_e = sn_e; row_h = sn_h; row_rel = sn_rel; sncur = 1; top_e = row_e;
       k = 0; do :: k < N -> o_same[k] = so[k]; p_same[k] = sp[k]; k++ :: else -> break od;
       k = 0; do :: k < S -> q_same[k] = sq[k]; k++ :: else -> break od; k = 0 }
#endif
  od
}

inline clk(j) {
  if
#ifdef DRIFT
  :: dr[j] >= D -> dr[j] = 0            /* this clock misses one tick */
#endif
  :: true ->
     if :: valid[j] > 0 -> valid[j]-- :: else fi;
     if :: pk[j] != IDLE && age[j] < D -> age[j]++ :: else fi;
     if :: g_e[j] > 0 -> g_age[j]++; if :: g_age[j] >= D -> g_e[j] = 0; g_age[j] = 0 :: else fi :: else fi;
     if :: wait[j] > 0 -> wait[j]-- :: else fi;
#ifdef M_READSEND
     if :: rwait[j] > 0 -> rwait[j]-- :: else fi;
#endif
#ifdef DRIFT
     if :: dr[j] < D -> dr[j]++ :: else fi
#endif
  fi
}
#ifdef LIVE
#define PENDING (kind[0]!=IDLE || kind[1]!=IDLE || pk[0]!=IDLE || pk[1]!=IDLE || kind[N]!=IDLE || kind[N+1]!=IDLE)
#define TICKOK (!stable || (!PENDING && (idlei[0]||!alive[0]) && (idlei[1]||!alive[1])))
#else
#define TICKOK true
#endif
proctype Clock() {
  do
  :: atomic { TICKOK -> clk(0); clk(1);
#if N==3
       clk(2);
#endif
#ifdef LIVE
       idlei[0] = 0; idlei[1] = 0;
#endif
       assert(!TWO) }
  od
}
#ifdef LIVE
proctype Calm() { atomic { stable = 1;
  /* abandoned requests drain */ } }
ltl live { (<> stable) -> (<> [] LEADER) }
#endif

init {
  byte i, k;
  atomic {
    i = 0;
    do :: i < N -> alive[i] = 1;
#ifdef REPL
         v_h[i] = NOBODY; vs[i] = 1;
#endif
         i++
       :: else -> break od;
    i = 0; do :: i < N -> run Manager(i); i++ :: else -> break od;
    run Backend(); run Clock();
#ifdef LIVE
    run Calm();
#endif
  }
}
