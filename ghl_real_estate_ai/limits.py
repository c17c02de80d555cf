"""The limits that guard the house: timeouts, bounds of queues and sizes. Enforced where their docstrings say, not measured.

Used by every room. The promised numbers are in ``budgets.py``.
"""

from __future__ import annotations

from typing import Final

INTELLIGENCE_DEADLINE_S: Final = 0.050
"""One deadline over score | churn | matches; a part that misses it is shown stale with its reason."""

LEADS_CACHED: Final = 4_096
"""Leads held in memory by the intelligence orchestrator; must be more than DURABLE_BATCH."""

WEBHOOK_BODY_BYTES: Final = 1_048_576
"""Largest accepted webhook body; GHL's own are a few KiB."""

REQUEST_BODY_BYTES: Final = 65_536
"""Largest body of any other request; a sign-in has some hundred bytes."""

LISTING_BODY_BYTES: Final = 8_388_608
"""Largest listing import: LISTING_BATCH_ROWS rows of up to 4 KiB."""

LISTING_BATCH_ROWS: Final = 2_000
"""Most listings in one import request, and in one read of them."""

LISTING_FILE_MIB: Final = 32
"""Largest file of homes that the page Admin takes: it is held in the dashboard's memory until it is imported."""

DURABLE_BATCH: Final = 64
"""Most events that a durable subscriber applies in one transaction."""

DURABLE_BATCH_S: Final = 0.03
"""After handling for so long it commits what it has: what follows from an event is shown after the commit, and all of it at once."""

RECENT_FACTS: Final = 32
"""Newest facts of a tenant that are handed to handlers from memory; older ones are read from the log."""

RECENT_TENANTS: Final = 256
"""Tenants of which such facts are held."""

DURABLE_RETRY_DELAYS_S: Final = (0.05, 0.25, 1.0)
"""Waits between attempts of a durable handler before the event goes to the dead letters."""

DURABLE_POLL_S: Final = 1.0
"""How often a durable subscriber looks at the log without having been woken (another process may have appended)."""

LIVE_QUEUE: Final = 4_096
"""Events waiting for one live subscriber; the oldest are dropped and counted beyond it."""

LIVE_TURN_S: Final = 0.002
"""So long they are told in one go before the event loop may do something else."""

WRITE_QUEUE: Final = 10_000
"""Writes waiting for the group commit; beyond it a webhook is answered 429."""

GROUP_COMMIT_MAX: Final = 256
"""Most writes that share one transaction."""

DATABASE_LOCK_WAIT_S: Final = 5.0
"""Longest wait for a lock that another process holds; then the write is answered 429."""

DATABASE_ANSWER_S: Final = 10.0
"""Longest that a running service waits for the database's answer; a server that hangs is then as good as one that is away."""

DATABASE_READERS: Final = 4
"""Threads, and connections, that read at the same time."""

TOPIC_RING_FRAMES: Final = 2_048
"""Frames that a topic keeps for resume."""

TOPIC_RING_BYTES: Final = 4_194_304
"""Bytes that a topic keeps for resume, whichever bound is reached first."""

SNAPSHOT_ITEMS: Final = 500
"""Latest items that a topic's snapshot holds, newest first; the REST list holds them all."""

QUEUE_ITEMS: Final = 2_000
"""Leads with something to do that the snapshot of next actions holds beside: who waits longest must not be who is left out."""

SCREENS_PAGE_LEADS: Final = 100
"""Leads that one read for the first snapshots takes: between two of them others have their turn."""

CLIENT_BEHIND_BYTES: Final = 1_048_576
"""A client further behind than this is conflated or skipped; closed, by a stream that must not lose, only while its socket takes nothing."""

FEED_LOOKED_AT: Final = 10_000
"""Newest positions of a log among which the messages of a feed's first snapshot are looked for."""

PING_INTERVAL_S: Final = 10.0
"""Server heartbeat: a screen that hears nothing for one and a half of these says so; routers cut idle connections at about 60 s."""

PONG_TIMEOUT_S: Final = 10.0
"""A client that leaves a ping unanswered for this long is closed."""

AUTH_WAIT_S: Final = 5.0
"""A socket that connects without ticket or header must authenticate by its first message within this time."""

TICKET_TTL_S: Final = 30.0
"""Life of a single-use WebSocket ticket."""

PROVEN_ELSEWHERE: Final = 50
"""Other locations of the same email whose password a sign-in tries, and which its token names."""

SESSION_UTMOST_DAYS: Final = 14
"""However often a session is renewed: so long after its sign-in it ends."""

DEAD_LETTERS_AT_ONCE: Final = 500
"""Dead letters that one request tries again."""

REPLAY_WAIT_S: Final = 2.5
"""So long such a request waits for handlers, who give up on an event after DURABLE_RETRY_DELAYS_S and their own time."""

ACCESS_LOOK_S: Final = 20.0
"""How often a gateway looks whose access was ended elsewhere: a removed user is out everywhere within this time."""

CLIENT_MESSAGES_PER_MIN: Final = 100
"""Messages a client may send over one socket in a minute (the user's brief)."""

CLIENT_FRAME_BYTES: Final = 65_536
"""Largest inbound WebSocket frame."""

CONNECTIONS_PER_USER: Final = 10
"""Open sockets per user."""

CLOSE_WAIT_S: Final = 2.0
"""How long a closing socket may take to hand over its close code; then it is dropped without."""

WRITE_BYTES: Final = 262_144
"""Most bytes of one write to a socket, a single larger message aside: what a very busy office (900 KB/s) has in three passes."""

SWEEP_SOCKETS: Final = 256
"""Sockets that the hub writes to before the event loop may do something else."""

SWEEP_REST_SHARE: Final = 1.5
"""How long the loop is left to others between two passes over the sockets, as a share of what the pass before took."""

SWEEP_REST_S: Final = 0.02
"""And how long at most: what is published meanwhile waits."""

WATCH_INTERVAL_S: Final = 1.0
"""How often heartbeats and the ends of tokens are looked at: so late may either be noticed."""

SOCKETS_OPEN: Final = 20_000
"""Open sockets of one gateway; beyond it a handshake is answered 503."""

SOCKETS_NOT_SIGNED_IN: Final = 5_000
"""Of them, those whose first message with the token has not come yet; beyond it a handshake without one is answered 503."""

REQUEST_HEAD_WAIT_S: Final = 20.0
"""A connection whose request head is not whole by then is closed; a phone on a bad network needs seconds."""

HANDSHAKE_RETRY_S: Final = 5.0
"""What Retry-After says at a handshake that is answered 503."""

STORAGE_RETRY_S: Final = 5.0
"""What Retry-After says when the database did not take a write."""

TICKETS_HELD: Final = 10_000
"""Unused tickets in memory; the oldest go first."""

TOKENS_CACHED: Final = 10_000
"""Verified access tokens remembered until they expire."""

RATE_KEYS_HELD: Final = 10_000
"""Accounts whose sign-in attempts are counted at once; the least recently seen go first."""

PAGE_ROWS: Final = 200
"""Most rows of one page of a list."""

CLICKS_LOOKED_AT: Final = 50
"""Newest clicks on a lead among which a click looks for those that it follows; of a lead's wishes the newest words."""

TAKEN_ON_HOURS: Final = 4
"""An action that was taken on is back after so long, if no human's message or call was seen: what was forgotten is not lost."""

SNOOZE_DAYS: Final = 30
"""A next action may be put off at most so far ahead."""

TIMELINE_EVENTS: Final = 200
"""Newest events of a lead that its timeline and conversation are read from."""

SIGN_IN_ATTEMPTS_PER_MIN: Final = 10
"""Sign-in attempts per account and minute."""

MATCHES_PER_LEAD: Final = 5
"""Homes pushed to the screens per lead; the REST list gives more."""

LISTINGS_CACHED: Final = 8_192
"""Homes held whole in memory, those last shown, of all tenants together; the others are columns."""

ROWS_SCANNED_INLINE: Final = 50_000
"""A query that may look at more homes runs in a thread; a tenant with more makes the process load the compiled kernel."""

MATCHES_CACHED: Final = 2_048
"""Questions for a lead's matches (wishes, opinions, listings as of an import) whose answers are kept; the oldest go first."""

CANDIDATES_INLINE: Final = 60
"""Of more homes than these a lead's list is made in a thread; the matches that follow an event look at some fifteen."""

OUTBOUND_TIMEOUT_S: Final = 10.0
"""Any wait on another host."""

OUTBOUND_ANSWER_S: Final = 60.0
"""One whole answer of another host: a drop every nine seconds would pass OUTBOUND_TIMEOUT_S for ever."""

OUTBOUND_ANSWER_BYTES: Final = 67_108_864
"""Largest answer that is read; the largest expected is the recording of a call, 1 MiB per minute as WAV."""

OUTBOUND_CONNECTIONS: Final = 20
"""Open connections to other hosts; beyond it requests wait for one."""

CRM_CALLS_PER_INTERVAL: Final = 90
"""CRM calls per app and location in CRM_INTERVAL_S, until its headers say otherwise; GoHighLevel refuses above 100."""

CRM_INTERVAL_S: Final = 10.0
"""The CRM's window of CRM_CALLS_PER_INTERVAL, until its headers say otherwise."""

CRM_CALLS_PER_DAY: Final = 200_000
"""CRM calls per app and location in a day, until its headers say otherwise."""

CRM_DAILY_RESERVE: Final = 10_000
"""Of the day's calls, those kept for urgent ones: an import must not use up what an agent's click needs."""

CRM_DAILY_PROBE_S: Final = 600.0
"""With only the reserve left, one ordinary call in this time passes, to see whether the CRM's day is over."""

CRM_QUEUE_WAIT_S: Final = 60.0
"""Longest wait for a turn under the CRM's limits, from asking to going; a call that would wait longer is refused."""

CRM_ATTEMPTS: Final = 4
"""Times that one CRM call is sent, first attempt included, whatever went wrong before."""

CRM_BACKOFF_S: Final = 0.5
"""Longest wait before the second attempt of a failed CRM call; doubled for each further one, drawn from 0 up to it."""

CSV_CELL_CHARACTERS: Final = 1_048_576
"""Longest value of an imported file; a longer one is a quote that was never closed."""

CSV_BATCH_ROWS: Final = 500
"""Rows of an imported file that share one transaction."""

TOKEN_EARLY_S: Final = 300.0
"""An access token that expires within this time is renewed before it is used."""

TOKEN_LEASE_S: Final = 30.0
"""Whoever renews a connection's tokens has this long; after it, another process may take over from one that died."""

TOKEN_ASK_S: Final = 20.0
"""Of the lease, the time for asking the CRM; the rest is for storing what it gave."""

PRIVATE_TOKEN_PAUSE_S: Final = 5.0
"""A private token that was refused is tried once more after this, before its owner has to connect again."""

TOKEN_WAIT_S: Final = 60.0
"""Longest wait for new tokens, of everybody who needs them: two leases."""

TOKEN_LOOK_S: Final = 0.1
"""How often a process looks whether another one has renewed the tokens."""

INSTALL_STATE_S: Final = 600.0
"""Life of the ``state`` in an installation's URL."""

INSTALL_CALLBACKS_PER_MIN: Final = 10
"""Returns from the CRM's consent page per address and minute."""

INSTALL_TOKENS_S: Final = 20.0
"""How long the owner of an agency waits for the tokens of its locations; the gateway gets the others afterwards."""

ADOPT_LOOK_S: Final = 60.0
"""How often the gateway looks for served locations that have no token of their own."""

ADOPT_AGAIN_S: Final = 3_600.0
"""A served location that no agency gives a token for is asked for again after this: it may be nobody's, as one of files is."""

COMPANY_LOCATIONS: Final = 5_000
"""Most locations of one agency that are listed."""

CRM_OUTBOX_BATCH: Final = 50
"""Most changes of one location that the outbox takes up at once; they are sent one after the other."""

CRM_OUTBOX_LOCATIONS: Final = 50
"""Locations whose changes are sent at the same time; further ones wait until one has had its turn."""

CRM_OUTBOX_POLL_S: Final = 1.0
"""How often the outbox looks for changes to send when it has none."""

CRM_CHANGE_ATTEMPTS: Final = 12
"""Times that a change is tried whose attempts end in trouble or silence; then it has failed."""

CRM_CHANGE_BACKOFF_S: Final = 5.0
"""Longest wait before the second attempt at a change; doubled for each further one, drawn from half of it up to it."""

CRM_CHANGE_BACKOFF_MOST_S: Final = 3_600.0
"""Longest wait between two attempts at a change."""

CRM_CHANGE_CLAIM_S: Final = 600.0
"""An attempt that nobody settled in this time has crashed: longer than a call with all of its waits and repetitions."""

CRM_CLOSED_WAIT_S: Final = 900.0
"""How long changes rest when the account is paused, disconnected or lacks a scope; its owner has to act first."""

OWN_FIELDS_CHECK_S: Final = 3_600.0
"""How often a location's custom fields are listed while we write them, to find one of ours that was deleted."""

CRM_MESSAGES_LOOKED_AT: Final = 100
"""Newest messages of a conversation among which a message with an unknown outcome is looked for."""

PERFORMANCE_INTERVAL_S: Final = 2.0
"""How often the system performance stream is measured."""

TALLY_FLUSH_S: Final = 5.0
"""How often the counts of deliveries are written down; a crash loses so much of them."""

POLL_INTERVAL_S: Final = 300.0
"""Least time between two cycles in which a location's account is read for changes."""

POLL_CALLS_PER_CYCLE: Final = 5
"""Most API calls of one such cycle: 288 cycles a day make 1,440 calls, of the CRM's 200,000."""

POLL_BACKOFF_MOST_S: Final = 3_600.0
"""Longest wait of a location whose account cannot be read; it grows from POLL_INTERVAL_S by doubling."""

POLL_LOOK_S: Final = 10.0
"""How often newly connected locations are looked for."""

REREAD_LOOK_S: Final = 1.0
"""How often leads that are to be read again are looked for."""

REREADS_AT_ONCE: Final = 8
"""Leads of one location that are read again at the same time."""

REREAD_DELAYS_S: Final = (1.0, 5.0, 30.0, 300.0, 1_800.0, 3_600.0)
"""Wait before each attempt to read a lead that a hint named; the last one is repeated until it succeeds."""

REREAD_AGAIN_S: Final = 15.0
"""A lead that was read sooner than this after its hint is read once more then: the CRM's indexes lag behind its changes."""

REREAD_REFUSALS: Final = 4
"""Attempts after which a lead is given up whose reading the CRM refuses."""

HINTS_PER_MIN: Final = 120
"""Workflow webhooks of one location that are taken in a minute: they are unsigned."""

BUSY_DELIVERIES: Final = 8
"""So many senders waiting for their 2xx at once make the house busy: handling gives way to them."""

BUSY_FOR_S: Final = 0.05
"""For so long after it was busy the house counts as busy: senders that were answered come back with the next delivery."""

GIVE_WAY_STEP_S: Final = 0.005
"""How often handling looks whether the house is still busy."""

GIVE_WAY_STEPS: Final = 10
"""Looks before one event is handled all the same: under steady pressure some twenty a second still are."""

BROKER_TIMEOUT_S: Final = 2.0
"""Any wait on Redis that is not a blocking read."""

BROKER_BLOCK_S: Final = 1.0
"""Longest blocking read of Redis; after it the reader looks whether it is still wanted, and reads again."""

BROKER_CONNECTIONS: Final = 50
"""Open connections of one process to Redis."""

BACKPLANE_ENTRIES: Final = 4_096
"""Facts that Redis keeps for the screens of one tenant, and up to a hundred more: it trims whole nodes."""

BACKPLANE_BYTES: Final = 4_194_304
"""Bytes of items that Redis keeps of one tenant, whichever bound is reached first: a new gateway's clients resume from them."""

BACKPLANE_KEEP_S: Final = 86_400.0
"""A tenant without news for this long leaves Redis; the next fact begins a new epoch."""

FOLLOW_TENANTS: Final = 128
"""Tenants that one blocking read of a gateway follows before the next reader begins: Redis looks at each of them."""

FOLLOW_READERS: Final = 16
"""Such readers, each with a connection; with so many at work further tenants are spread over them."""

PREPARED_AT_ONCE: Final = 8
"""Tenants that a gateway takes up at the same time; others wait their turn."""

FOLLOW_ENTRIES: Final = 64
"""Most facts of one tenant that one read of a gateway takes."""

FOLLOW_BLOCK_S: Final = 0.5
"""Longest wait of such a read for news: a gateway knows after it that Redis is there."""

FOLLOW_AGAIN_S: Final = 1.0
"""Longest wait before a gateway tries again to follow; it grows to this from a tenth of it, by doubling."""

SCREENS_DELAYED_S: Final = 1.0
"""When Redis has not answered a gateway for this long, it tells its screens that news is delayed."""

SCREENS_STILL_S: Final = 3.0
"""When a tenant's next fact for screens has not been published for this long, its screens hear that news is delayed."""

WORK_PARTITIONS: Final = 32
"""Parts into which the tenants are shared out; so many workers can have work at most. The same in all processes."""

WORK_LEASE_S: Final = 5.0
"""A worker that has not renewed for so long is dead: others take over what it held."""

WORK_RENEW_S: Final = 1.0
"""How often a worker renews, takes what is free and gives back what is more than its fair share."""

WORK_STREAM_ENTRIES: Final = 1_000
"""Entries that a partition's stream holds at most, about; older ones go: the log itself is looked at anyway."""

WORK_TOLD: Final = 10_000
"""Tenants of which others wait to be told; beyond it they are not told, and find what is new by looking."""

WORK_UNFINISHED: Final = 1_000
"""Entries that a worker has read and not finished; beyond it it reads no more until some are."""

WORK_SETTLE_S: Final = 0.1
"""How soon a worker looks whether what it has read is handled, to acknowledge it."""

WORKER_GONE_S: Final = 30.0
"""How often the names of dead workers are removed from the groups; one that was silent for less may still come back."""

BROKER_QUESTIONS: Final = 20
"""Short questions of one process that Redis has at once; further ones wait for their turn."""

BROKER_AGAIN_S: Final = 1.0
"""While Redis is away, one question in this time finds out whether it is back; all others are told at once that it is not."""

SEAT_LIFE_S: Final = 2.5 * PING_INTERVAL_S
"""A seat that was not kept for so long is free: two of its gateway's turns may fail."""

SEATS_PER_CALL: Final = 500
"""Seats that are kept by one call to Redis."""

ANSWER_TTL_S: Final = 0.5
"""How old an answer may be that many screens ask for at once."""

ANSWERS_HELD: Final = 256
"""Such answers in memory; the oldest go first."""

ANSWER_LOCK_S: Final = 2.0
"""How long one process may make such an answer for all; after it the next one does, whatever became of the first."""

ANSWER_LOOK_S: Final = 0.01
"""How often a process looks whether another one has made the answer."""

BROKER_PULSE_S: Final = 1.0
"""How often a process asks whether Redis is there."""

SILENCE_LOOK_S: Final = 30.0
"""Longest time between two looks at the timers of leads that may go quiet; a timer that is due sooner is waited for."""

SILENCE_SIMULATED_LOOK_S: Final = 2.0
"""The same where simulated leads are: their time line runs at any speed."""

SILENCE_BATCH: Final = 25
"""Leads that a process tells of before it rests: some milliseconds of a writer that webhooks wait for too."""

SILENCE_REST_S: Final = 0.5
"""The rest after it: 50 leads a second are handled beside the day's events; it is the time after a long stop."""

TRACK_LOOK_S: Final = 60.0
"""How often records whose horizon is over are looked for."""

TRACK_LEADS: Final = 100
"""Leads of one tenant whose records are resolved before the next look at what is due."""

TRACK_EVENTS: Final = 500
"""Events of a lead that one read takes to see what came true: some 30 ms, however long its log."""

TRACK_ROWS: Final = 1_000
"""Resolved records that one read, and one step of a download, takes."""

TRACK_ANSWER_S: Final = 60.0
"""How old a report may be: new outcomes come in once in TRACK_LOOK_S."""

TEAM_LEADS_LOOKED_AT: Final = 20_000
"""Leads with the newest activity that the team's page counts; beyond them it says that it is cut off."""

TEAM_PAGE_LEADS: Final = 500
"""Leads that one read for it takes: some 50 ms of a reader's thread."""

TEAM_ANSWER_S: Final = 30.0
"""How old the team's page may be."""

TEAM_NAMES_S: Final = 60.0
"""How old the names of a team may be."""

CHAMPIONS_LOOK_S: Final = 60.0
"""How often a process looks for models that locations have learned since."""

LEARN_LOOK_S: Final = 900.0
"""How often a worker looks which locations have enough new history to learn from."""

LEARN_TIMEOUT_S: Final = 1_800.0
"""Longest time that one location's training may take; then its process is killed, and the models stay as they are."""

LEARNED_KEPT: Final = 6
"""Models of one name that a location keeps beside its champion: lost challengers and former champions, newest first."""
