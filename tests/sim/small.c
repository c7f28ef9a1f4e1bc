#include "sim.h"

#include <string.h>

/*
 * Small worlds: one mail to one host that always does right, and a fault at every place where there can be one: the link
 * ends behind each octet in each direction and in each way, each port call fails at each of its uses, each reply is
 * replaced by each bad one. Then every two of them together, for one recipient and no group; for the rest a share.
 */

enum { SHAPE_COUNT = 4, PLAN_COUNT = 8000 };

typedef struct shape {
    const char *name;
    uint8_t recipient_count;
    uint8_t offers;
    uint32_t pair_step; /* of the pairs every so many-th is played */
} shape_t;

static const shape_t shapes[SHAPE_COUNT] = {
    { "one recipient, lockstep", 1, 0, 1 },
    { "one recipient, in a group", 1, OFFERS_PIPELINING | OFFERS_SIZE, 1 },
    { "two recipients, lockstep", 2, OFFERS_8BITMIME, 1 },
    { "two recipients, in a group", 2, OFFERS_PIPELINING, 1 },
};

static plan_t all[PLAN_COUNT];
static size_t all_count;

static void add(unsigned kind, unsigned how, unsigned at)
{
    if (all_count < PLAN_COUNT) {
        all[all_count].kind = (uint8_t)kind;
        all[all_count].how = (uint8_t)how;
        all[all_count].at = (uint16_t)at;
        all_count++;
    }
}

/* Where there can be faults, seen from a run without any. */
static void list_plans(const world_t *world)
{
    const device_t *device = &world->devices[0];

    all_count = 0;
    for (unsigned end = END_FIN; end <= END_SILENT; end++) {
        for (unsigned at = 0; at <= device->small_sent; at++) {
            add(PLAN_CUT_OUT, end, at);
        }
        for (unsigned at = 0; at <= device->small_heard; at++) {
            add(PLAN_CUT_IN, end, at);
        }
    }
    for (unsigned at = 1; at <= plan_calls; at++) {
        add(PLAN_CALL, 0, at);
    }
    for (unsigned at = 1; at <= plan_replies; at++) {
        for (unsigned how = 0; how < bad_reply_count; how++) {
            add(PLAN_REPLY, how, at);
        }
    }
}

/* A world with a device whose mails are these, and hosts that do right. */
void make_small(world_t *world, unsigned shape)
{
    memset(world->rates, 0, sizeof world->rates);
    for (unsigned i = 0; i < HOST_COUNT; i++) {
        world->hosts[i].count4 = 1;
        world->hosts[i].count6 = 0;
        world->hosts[i].offers = shapes[shape].offers;
        world->hosts[i].rcpt_limit = 100;
        world->hosts[i].has_helo_only = false;
        world->hosts[i].is_greylisting = false;
        world->hosts[i].size_limit = 0;
    }
    for (unsigned i = 0; i < DOMAIN_COUNT; i++) {
        world->domains[i].kind = DOMAIN_EXCHANGERS;
        world->domains[i].host_count = 2;
        world->domains[i].copies = 1;
        for (unsigned j = 0; j < 2; j++) {
            world->domains[i].hosts[j] = (uint8_t)j;
            world->domains[i].preferences[j] = (uint16_t)(10 * j);
        }
    }
    world->device_count = 1;
    world->mail_count = 1;
}

static bool play(world_t *world, unsigned shape, plan_t first, plan_t second)
{
    options_t options;

    memset(&options, 0, sizeof options);
    options.seed = 7;
    options.faults = UINT64_MAX;
    options.only_device = -1;
    options.last_mail = UINT32_MAX;
    options.line_count = 3;
    options.recipient_count = shapes[shape].recipient_count;
    options.small = (uint8_t)(shape + 1);
    options.is_told = world->options.is_told;
    plans[0] = first;
    plans[1] = second;
    plan_calls = 0;
    plan_replies = 0;
    return try_world(&options);
}

static int fail(world_t *world, unsigned shape, plan_t first, plan_t second)
{
    printf("\nFAILED, %s, faults %u/%u/%u and %u/%u/%u\n", shapes[shape].name, first.kind, first.how, first.at, second.kind, second.how,
           second.at);
    world->options.is_told = true;
    (void)play(world, shape, first, second);
    printf("            %s\n", failure_words());
    return 1;
}

int run_small(world_t *world, bool is_quick)
{
    static const plan_t none;
    uint64_t total = 0;

    world->options.is_told = false;
    for (unsigned shape = 0; shape < SHAPE_COUNT; shape++) {
        uint64_t pairs = 0;
        uint64_t played = 0;
        uint32_t step = shapes[shape].pair_step * (is_quick ? 61 : 1);

        if (!play(world, shape, none, none)) {
            return fail(world, shape, none, none);
        }
        list_plans(world);
        for (size_t i = 0; i < all_count; i++) {
            if (!play(world, shape, all[i], none)) {
                return fail(world, shape, all[i], none);
            }
        }
        for (size_t i = 0; i < all_count; i++) {
            for (size_t j = i + 1; j < all_count; j++) {
                if (pairs++ % step != 0) {
                    continue;
                }
                played++;
                if (!play(world, shape, all[i], all[j])) {
                    return fail(world, shape, all[i], all[j]);
                }
            }
        }
        printf("%-28s %5u single faults, %9llu pairs of which %9llu played (1 in %u)\n", shapes[shape].name, (unsigned)all_count,
               (unsigned long long)pairs, (unsigned long long)played, (unsigned)step);
        total += all_count + played;
    }
    printf("%llu small worlds, 0 failures\n", (unsigned long long)total);
    return 0;
}
