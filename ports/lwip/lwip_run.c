#include <mailmote/lwip.h>

#include "lwip/sys.h"
#include "lwip/tcpip.h"
#include "lwip/timeouts.h"

/* The longest that a timer of lwIP's is set for (it knows times up to 2^30), and the wait for memory that others hold. */
enum { LONGEST_MS = 0x10000000, STARVED_MS = 100 };

static void step(void *self);

/* A run has one timer: the delivery's deadline, or now. */
static void set_timer(mote_lwip_run_t *run, uint32_t wait_ms)
{
    sys_untimeout(step, run);
    sys_timeout(wait_ms, step, run);
}

#if !NO_SYS && LWIP_TCPIP_CORE_LOCKING
static void look_again(void *self)
{
    (void)self;
}

/* Who holds the lock need not be lwIP's thread: an application that starts a delivery, a driver that brings a packet. lwIP's
   thread sleeps then, for the timers that it knew of; a message makes it look again. Where there is no room for one, others
   wait for it already. */
static void rouse(void)
{
    (void)tcpip_try_callback(look_again, NULL);
}
#else
static void rouse(void)
{
}
#endif

static void wake(void *self)
{
    mote_lwip_run_t *run = self;

    if (run->is_running && !run->is_woken) { /* a stream that is kept has nobody to wake */
        run->is_woken = true;
        set_timer(run, 0);
        rouse();
    }
}

static mote_status_t begin(mote_lwip_run_t *run, mote_status_t status)
{
    run->is_running = status == MOTE_OK;
    wake(run);
    return status;
}

static void end(mote_lwip_run_t *run)
{
    run->is_running = false;
    run->is_woken = false;
    sys_untimeout(step, run);
}

/* What lies over the plain port has something left to do that no packet tells: a computation in slices, input that one call
   did not read up. It says so by a wish to write where lwIP itself waits for nothing. */
static bool has_work_left(mote_lwip_run_t *run)
{
    return (run->port->wants(run->self) & ~mote_lwip_port.wants(&run->lwip) & MOTE_WANTS_WRITE) != 0;
}

static void step(void *self)
{
    mote_lwip_run_t *run = self;
    uint32_t wait_ms;

    run->lwip.is_starved = false;
    run->is_woken = false;
    wait_ms = mote_delivery_step(&run->delivery, sys_now());
    if (mote_delivery_has_ended(&run->delivery)) {
        end(run);
        if (run->ended != NULL) {
            run->ended(run);
        }
        return;
    }
    if (run->lwip.is_starved && wait_ms > STARVED_MS) {
        wait_ms = STARVED_MS;
    }
    if (has_work_left(run)) {
        wait_ms = 0;
    }
    if (!run->is_woken) { /* by what came within this step: then its timer is set, and for now */
        set_timer(run, wait_ms < LONGEST_MS ? wait_ms : LONGEST_MS);
    }
}

void mote_lwip_run_init(mote_lwip_run_t *run, mote_random_t random)
{
    memset(run, 0, sizeof *run);
    mote_lwip_init(&run->lwip, random);
    run->lwip.wake = wake;
    run->lwip.wake_self = run;
    run->port = &mote_lwip_port;
    run->self = &run->lwip;
    run->room.data = run->small_room;
    run->room.capacity = sizeof run->small_room;
}

mote_status_t mote_lwip_start(mote_lwip_run_t *run, const mote_settings_t *settings, const mote_dns_settings_t *dns,
                              mote_mail_t *mail)
{
    MOTE_ASSERT(!run->is_running);
    return begin(run, mote_delivery_start(&run->delivery, settings, dns, mail, run->port, run->self, run->room, sys_now()));
}

mote_status_t mote_lwip_next(mote_lwip_run_t *run, mote_mail_t *mail)
{
    return begin(run, mote_delivery_next(&run->delivery, mail, sys_now()));
}

void mote_lwip_stop(mote_lwip_run_t *run)
{
    mote_delivery_stop(&run->delivery, sys_now());
    end(run);
}
