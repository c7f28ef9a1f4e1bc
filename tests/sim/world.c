#include "sim.h"

#include <stdlib.h>
#include <string.h>

counts_t counts;

/* ---- chance ------------------------------------------------------------------------------------------- */

/* splitmix64: small, fast, and any seed is a good one. */
uint64_t draw(rng_t *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t mix(uint64_t a, uint64_t b)
{
    rng_t rng = { a ^ (b * UINT64_C(0xD6E8FEB86659FD93)) };

    return draw(&rng);
}

uint32_t below(rng_t *rng, uint32_t count)
{
    return (uint32_t)((draw(rng) >> 32) * count >> 32);
}

bool chance(rng_t *rng, uint32_t of_65536)
{
    return below(rng, 65536) < of_65536;
}

static const struct {
    const char *words;
    uint32_t most;
} fault_info[] = {
#define FAULT_INFO(name, words, most) { words, most },
    FAULTS(FAULT_INFO)
#undef FAULT_INFO
};

bool may_fault(const world_t *world, fault_t kind)
{
    return (world->options.faults >> kind & 1) != 0;
}

void note_fault(device_t *device, fault_t kind)
{
    bool is_of_names = kind <= FAULT_NAMES_STREAM_CUT || kind == FAULT_PARTITION || kind == FAULT_PORT_RANDOM ||
                       kind == FAULT_PORT_FAMILIES || kind == FAULT_PORT_QUERY ||
                       (device->stream.state != STREAM_NONE && device->stream.peer_kind == PEER_NAMES);

    counts.faults[kind]++;
    device->witness.fault_count++;
    if (is_of_names) {
        witness_excuses(device);
    }
    tell(device, "        (%s)", fault_info[kind].words);
}

bool fault(device_t *device, fault_t kind)
{
    /* Drawn also where it may not strike, so that leaving a kind out changes as little as can be. */
    bool strikes = chance(&device->rng, device->world->rates[kind]) && may_fault(device->world, kind);

    if (strikes) {
        note_fault(device, kind);
    }
    return strikes;
}

/* ---- events: a heap, earliest first --------------------------------------------------------------------- */

static bool is_before(const event_t *a, const event_t *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void add_event(world_t *world, uint64_t at_ms, event_kind_t kind, const device_t *device, uint32_t generation, unsigned slot,
               size_t size)
{
    event_t event = { at_ms, world->order++, generation, device->index, (uint16_t)size, (uint8_t)kind, (uint8_t)slot };
    size_t at = world->event_count++;

    if (at == world->event_capacity) {
        world->event_capacity = at == 0 ? 1024 : at * 2;
        world->events = realloc(world->events, world->event_capacity * sizeof *world->events);
        if (world->events == NULL) {
            abort();
        }
    }
    while (at > 0 && is_before(&event, &world->events[(at - 1) / 2])) {
        world->events[at] = world->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->events[at] = event;
}

static event_t take_event(world_t *world)
{
    event_t first = world->events[0];
    event_t last = world->events[--world->event_count];
    size_t count = world->event_count;
    size_t at = 0;

    for (;;) {
        size_t child = at * 2 + 1;

        if (child >= count) {
            break;
        }
        if (child + 1 < count && is_before(&world->events[child + 1], &world->events[child])) {
            child++;
        }
        if (!is_before(&world->events[child], &last)) {
            break;
        }
        world->events[at] = world->events[child];
        at = child;
    }
    if (count > 0) {
        world->events[at] = last;
    }
    return first;
}

void poke(device_t *device, uint64_t at_ms)
{
    add_event(device->world, at_ms, EVENT_POKE, device, 0, 0, 0);
}

uint32_t clock_of(const device_t *device)
{
    return (uint32_t)device->world->now_ms + device->clock_offset;
}

/* ---- what a world is made of ---------------------------------------------------------------------------- */

static void draw_rates(world_t *world)
{
    bool is_calm = chance(&world->rng, 4096);
    uint32_t mood = below(&world->rng, 3); /* how much goes wrong in this world */

    for (unsigned kind = 0; kind < FAULT_COUNT; kind++) {
        uint32_t most = fault_info[kind].most;
        uint32_t luck = below(&world->rng, 8);

        world->rates[kind] = luck < 3 ? 0 : luck < 7 ? most / 8 : most;
        world->rates[kind] >>= 2 * mood;
        if (is_calm) {
            world->rates[kind] = 0;
        }
    }
}

static void draw_host(world_t *world, unsigned index)
{
    host_t *host = &world->hosts[index];
    rng_t *rng = &world->rng;

    memset(host, 0, sizeof *host);
    if (index % 4 == 3) { /* labels of 63 octets are allowed, and names of 255 */
        (void)snprintf(host->name, sizeof host->name, "mx%u-%050u.example", index, index);
    } else {
        (void)snprintf(host->name, sizeof host->name, "mx%u.example", index);
    }
    host->count4 = (uint8_t)below(rng, ADDRESS_COUNT + 1);
    host->count6 = (uint8_t)below(rng, ADDRESS_COUNT + 1);
    if (host->count4 + host->count6 == 0 || index >= HOST_COUNT - RELAY_COUNT) {
        host->count4 = 1;
    }
    host->offers = (uint8_t)below(rng, 64);
    if (index >= HOST_COUNT - RELAY_COUNT && below(rng, 8) != 0) {
        host->offers |= OFFERS_STARTTLS | OFFERS_PLAIN;
    }
    host->rcpt_limit = (uint8_t)(below(rng, 4) == 0 ? 1 + below(rng, 3) : 100);
    host->has_helo_only = below(rng, 16) == 0;
    host->is_greylisting = below(rng, 8) == 0;
    host->size_limit = below(rng, 8) == 0 ? 200 + below(rng, 4000) : 0;
}

static void draw_domain(world_t *world, unsigned index)
{
    domain_t *domain = &world->domains[index];
    rng_t *rng = &world->rng;

    memset(domain, 0, sizeof *domain);
    switch (index % 8) { /* odd ones are allowed: the longest label, hyphens, digits, what IDNA makes of others */
    case 1:
        (void)snprintf(domain->name, sizeof domain->name, "d%02u-%058u0.example", index, index);
        break;
    case 3:
        (void)snprintf(domain->name, sizeof domain->name, "xn--d%u-kva.3--x.example", index);
        break;
    case 5:
        (void)snprintf(domain->name, sizeof domain->name, "%u.1.0.a.b.c.d.e.f.example", index);
        break;
    default:
        (void)snprintf(domain->name, sizeof domain->name, "d%u.example", index);
        break;
    }
    domain->kind = (uint8_t)(below(rng, 3) != 0 ? DOMAIN_EXCHANGERS : below(rng, DOMAIN_KIND_COUNT));
    domain->copies = (uint8_t)(below(rng, 16) == 0 ? 12 : 1);
    domain->alias = (uint8_t)below(rng, DOMAIN_COUNT);
    domain->host_count = (uint8_t)(1 + below(rng, 4));
    for (unsigned i = 0; i < domain->host_count; i++) {
        domain->hosts[i] = (uint8_t)below(rng, HOST_COUNT - RELAY_COUNT);
        domain->preferences[i] = (uint16_t)(below(rng, 2) == 0 ? below(rng, 3) * 10 : below(rng, 65536));
    }
    if (domain->kind == DOMAIN_ALIAS && (domain->alias == index || world->domains[domain->alias].kind == DOMAIN_ALIAS)) {
        domain->kind = DOMAIN_EXCHANGERS; /* chains are the name servers' own mischief */
    }
}

static void draw_world(world_t *world)
{
    world->rng.state = mix(world->options.seed, 1);
    draw_rates(world);
    for (unsigned i = 0; i < HOST_COUNT; i++) {
        draw_host(world, i);
    }
    for (unsigned i = 0; i < DOMAIN_COUNT; i++) {
        draw_domain(world, i);
    }
    world->device_count = world->options.device_count != 0 ? world->options.device_count : 1 + below(&world->rng, 16);
    world->end_ms = (world->options.hours != 0 ? world->options.hours : 1 + below(&world->rng, 96)) * UINT64_C(3600000);
    world->mail_count = 4 + below(&world->rng, 12);
    if (world->options.small != 0) {
        make_small(world, world->options.small - 1U);
    }
}

/* ---- running it ------------------------------------------------------------------------------------------ */

static void on_event(world_t *world, const event_t *event)
{
    device_t *device = &world->devices[event->device];

    world->device = device;
    switch ((event_kind_t)event->kind) {
    case EVENT_WAKE:
        device->queued_ms = UINT64_MAX;
        if (!device->is_running) {
            return;
        }
        if (world->now_ms >= device->wake_ms) {
            step_device(device);
        } else {
            device->queued_ms = device->wake_ms;
            add_event(world, device->wake_ms, EVENT_WAKE, device, 0, 0, 0);
        }
        break;
    case EVENT_START:
        on_start(device);
        break;
    case EVENT_POKE:
        if (device->is_running) {
            step_device(device);
        }
        break;
    case EVENT_TO_SERVER:
    case EVENT_TO_CLIENT:
    case EVENT_CONNECT:
    case EVENT_DATAGRAM:
    case EVENT_ENDLESS:
        on_network(device, event);
        break;
    }
}

void run_world(world_t *world, const options_t *options)
{
    world->options = *options;
    world->now_ms = 0;
    world->event_count = 0;
    world->order = 0;
    draw_world(world);
    for (uint32_t i = 0; i < world->device_count; i++) {
        if (options->only_device < 0 || options->only_device == (int32_t)i) {
            init_device(world, &world->devices[i], (uint16_t)i);
        }
    }
    while (world->event_count > 0) {
        event_t event = take_event(world);

        world->now_ms = event.at_ms;
        on_event(world, &event);
    }
    counts.worlds++;
    counts.virtual_ms += world->now_ms;
}
