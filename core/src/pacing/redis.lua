-- One step on the log of a budget; the same algorithm as shared_log.rs. KEYS[1] is the log, ARGV[1] the step as JSON.
-- The line before this one, which the client puts there, sets `now`: milliseconds of the server's clock.

local step = cjson.decode(ARGV[1])
local window = step.window
local GRACE = 250
local HOLD_MARGIN = 1000

-- Categories: 1 reads, 2 actions. A slot is {free_at, process, number}; a waiting process {process, category, wants, due_by}.
local function new_log()
  return {version = 1, epoch = step.new_epoch, written_at = now, slots = {{}, {}}, waiting = {}, held_until = {0, 0}}
end

local function keep(list, wanted)
  local kept = {}
  for _, entry in ipairs(list) do
    if wanted(entry) then kept[#kept + 1] = entry end
  end
  return kept
end

local function run(log)
  local slots, held_until = log.slots, log.held_until

  local function put(category, number, free_at)
    slots[category] = keep(slots[category], function(slot)
      return slot[2] ~= step.process or slot[3] ~= number
    end)
    if free_at then
      local position = #slots[category] + 1
      while position > 1 and slots[category][position - 1][1] > free_at do position = position - 1 end
      table.insert(slots[category], position, {free_at, step.process, number})
    end
  end

  local function room(category)
    return math.max(0, step.capacity[category] - #slots[category])
  end

  local function total_room()
    return math.max(0, step.total - #slots[1] - #slots[2])
  end

  local function is_own(entry, category)
    return entry[1] == step.process and entry[2] == category
  end

  local function enqueue(category, wants)
    if wants == 0 then
      log.waiting = keep(log.waiting, function(entry) return not is_own(entry, category) end)
      return
    end
    for _, entry in ipairs(log.waiting) do
      if is_own(entry, category) then
        entry[3] = wants
        return
      end
    end
    table.insert(log.waiting, {step.process, category, wants, now})
  end

  -- When the clock has gone back, all times move back as well.
  local back = log.written_at - now
  if back > 0 then
    for category = 1, 2 do
      for _, slot in ipairs(slots[category]) do slot[1] = math.max(0, slot[1] - back) end
      held_until[category] = math.max(0, held_until[category] - back)
    end
    for _, entry in ipairs(log.waiting) do entry[4] = math.max(0, entry[4] - back) end
  end
  log.written_at = now

  for category = 1, 2 do
    slots[category] = keep(slots[category], function(slot) return slot[1] > now end)
  end
  log.waiting = keep(log.waiting, function(entry) return entry[4] + window > now end)

  local known = step.known_epoch == 0 or step.known_epoch == log.epoch
  for _, report in ipairs(step.updates) do
    put(report[1], report[2], report[3] >= 0 and now + report[3] or nil)
  end
  for category = 1, 2 do
    local hold = step.holds[category]
    if hold[1] > 0 and (hold[2] == 0 or (room(category) > 0 and total_room() > 0)) then
      held_until[category] = math.max(held_until[category], now + math.min(hold[1], window + HOLD_MARGIN))
    end
  end

  local granted, ask = {{}, {}}, {{}, {}}
  for category = 1, 2 do
    for _, number in ipairs(step.ask[category]) do
      local taken = false
      for _, slot in ipairs(slots[category]) do
        if slot[2] == step.process and slot[3] == number then taken = true end
      end
      table.insert((taken and granted or ask)[category], number)
    end
    enqueue(category, #ask[category])
  end

  local function keeps_turn(entry)
    return entry[1] == step.process or entry[4] >= now
  end

  -- How many free slots the process gets when all waiting processes take turns.
  local function own_turns()
    local left = {}
    for category = 1, 2 do left[category] = held_until[category] > now and 0 or room(category) end
    local total, turns, waiting = total_room(), {0, 0}, {}
    for _, entry in ipairs(log.waiting) do
      if keeps_turn(entry) then waiting[#waiting + 1] = {entry[1], entry[2], entry[3]} end
    end
    while true do
      local before = total
      for _, entry in ipairs(waiting) do
        local category = entry[2]
        if entry[3] > 0 and left[category] > 0 and total > 0 then
          entry[3] = entry[3] - 1
          left[category] = left[category] - 1
          total = total - 1
          if entry[1] == step.process then turns[category] = turns[category] + 1 end
        end
      end
      if total == before then return turns end
    end
  end

  if known then
    local turns = own_turns()
    for category = 1, 2 do
      local count = math.min(turns[category], #ask[category])
      for _ = 1, count do
        local number = table.remove(ask[category], 1)
        put(category, number, now + step.lease)
        table.insert(granted[category], number)
      end
      if count > 0 then
        enqueue(category, 0)
        enqueue(category, #ask[category])
      end
    end
  end

  -- When the process's next slots come free, if all take turns and every request in flight gets its response now.
  local function forecast(category)
    local next_slots = {}
    if not known then
      for turn = 1, #ask[category] do next_slots[turn] = 0 end
      return next_slots
    end
    local latest, times, all = now + window, {{}, {}}, {}
    for of = 1, 2 do
      for _, slot in ipairs(slots[of]) do
        local time = math.min(slot[1], latest)
        table.insert(times[of], time)
        table.insert(all, time)
      end
    end
    table.sort(all)
    local function nth(list, capacity, ahead)
      local free = math.max(0, capacity - #list)
      local surplus = math.max(0, #list - capacity)
      local rounds, rest = math.floor(ahead / capacity), ahead % capacity
      local first = now
      if rest >= free then first = list[rest - free + surplus + 1] or latest end
      return first + window * rounds
    end
    local live, place = {}, nil
    for _, entry in ipairs(log.waiting) do
      if keeps_turn(entry) then
        live[#live + 1] = entry
        if is_own(entry, category) then place = #live end
      end
    end
    local function ahead(of, turn)
      local sum = 0
      for at, entry in ipairs(live) do
        if at ~= place and entry[2] == of then
          sum = sum + math.min(place and at > place and turn or turn + 1, entry[3])
        end
      end
      return sum
    end
    local rest = 3 - category
    for turn = 0, #ask[category] - 1 do
      local own = ahead(category, turn) + turn
      local free = math.max(nth(times[category], step.capacity[category], own), held_until[category], nth(all, step.total, own))
      local certain = 0
      if held_until[rest] <= free then
        certain = step.capacity[rest] - #times[rest]
        for _, time in ipairs(times[rest]) do
          if time <= free then certain = certain + 1 end
        end
        certain = math.max(0, certain)
      end
      free = math.max(free, nth(all, step.total, own + math.min(ahead(rest, turn), certain)))
      next_slots[turn + 1] = math.max(1, free - now)
    end
    return next_slots
  end

  local next_slots = {forecast(1), forecast(2)}
  local grace = math.min(GRACE, math.floor(window / 8))
  for _, entry in ipairs(log.waiting) do
    if entry[1] == step.process then entry[4] = now + (next_slots[entry[2]][1] or 0) + grace end
  end

  local seen, processes, last = {[step.process] = true}, 1, now
  local function count(process)
    if not seen[process] then
      seen[process] = true
      processes = processes + 1
    end
  end
  for category = 1, 2 do
    for _, slot in ipairs(slots[category]) do
      count(slot[2])
      last = math.max(last, slot[1])
    end
  end
  local wanted = {0, 0}
  for _, entry in ipairs(log.waiting) do
    count(entry[1])
    if entry[1] ~= step.process then wanted[entry[2]] = wanted[entry[2]] + entry[3] end
  end
  local unwanted = {
    math.max(0, room(1) - wanted[1]), math.max(0, room(2) - wanted[2]), math.max(0, total_room() - wanted[1] - wanted[2]),
  }

  local reply = {
    log.epoch, processes, math.max(0, held_until[1] - now), math.max(0, held_until[2] - now),
    granted[1], granted[2], next_slots[1], next_slots[2], unwanted,
  }
  return reply, last - now + window + 60000
end

-- Replaces what another program or version has stored under this key.
local function load_log()
  local raw = redis.pcall('GET', KEYS[1])
  if type(raw) ~= 'string' then return nil end
  local ok, log = pcall(cmsgpack.unpack, raw)
  if ok and type(log) == 'table' and log.version == 1 then return log end
end

local log = load_log() or new_log()
local ok, reply, keep_for = pcall(run, log)
if not ok then
  log = new_log()
  reply, keep_for = run(log)
end
redis.call('SET', KEYS[1], cmsgpack.pack(log), 'PX', keep_for)
return reply
