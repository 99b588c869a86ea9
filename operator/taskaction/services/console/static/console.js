// Behaviour of the pages. Each works without it; with it they update themselves, and show times in the reader's zone.

const CALM_MS = 250
const MAX_LINES = 5000
const policy = window.trustedTypes?.createPolicy("console", { createHTML: (html) => html })

// -- times ----------------------------------------------------------------------------------------

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" })

function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds))
  for (const [unit, name, part, small] of [[86400, "d", 3600, "h"], [3600, "h", 60, "m"], [60, "m", 1, "s"]]) {
    if (whole >= unit) {
      const rest = Math.floor((whole % unit) / part)
      return rest ? `${Math.floor(whole / unit)}${name}${rest}${small}` : `${Math.floor(whole / unit)}${name}`
    }
  }
  return `${whole}s`
}

function showTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const then = new Date(time.dateTime)
    if (Number.isNaN(then.getTime())) continue
    time.title = absolute.format(then)
    time.textContent = "ago" in time.dataset ? span((Date.now() - then.getTime()) / 1000) : absolute.format(then)
  }
}

// -- live pages -----------------------------------------------------------------------------------

const sources = new WeakMap() // rows as the server sent them, before their times were changed

// Replaces what differs between a part of this page and of its newer copy; rows with an id stay the same elements.
function patch(old, fresh) {
  if (old.isEqualNode(fresh)) return
  const oldBody = old.querySelector("tbody"), freshBody = fresh.querySelector("tbody")
  const alone = freshBody && oldBody && [...freshBody.rows].every((row) => row.id)
  if (!alone) return old.replaceChildren(...fresh.childNodes)
  const known = new Map([...oldBody.rows].map((row) => [row.id, row]))
  const rows = [...freshBody.rows].map((row) => {
    const same = known.get(row.id)
    return same && sources.get(same) === sources.get(row) ? same : row
  })
  freshBody.replaceChildren()
  oldBody.replaceChildren(...rows)
  for (const part of [...old.children]) if (!part.contains(oldBody)) part.remove()
  for (const part of [...fresh.children]) if (!part.contains(freshBody)) old.append(part)
}

function markRows(root) {
  for (const row of root.querySelectorAll("tbody tr[id]")) sources.set(row, row.innerHTML)
}

function isBusy(part) {
  const active = document.activeElement
  return part.querySelector("details[open]") || (part.contains(active) && active.matches("input, textarea, select"))
}

async function loadAgain() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" })
  if (response.status === 401) return location.reload()
  if (!response.ok) throw new Error(`status ${response.status}`)
  const text = await response.text()
  const fresh = new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html")
  markRows(fresh)
  const known = new Map([...document.querySelectorAll("[data-live]")].map((part) => [part.id, part]))
  const wanted = [...fresh.querySelectorAll("[data-live]")]
  if (wanted.length !== known.size || wanted.some((part) => !known.has(part.id))) {
    if (isBusy(document.querySelector("main"))) return
    document.querySelector("main").replaceWith(fresh.querySelector("main"))
  } else {
    for (const part of wanted) if (!isBusy(known.get(part.id))) patch(known.get(part.id), part)
  }
  showTimes(document)
}

function follow() {
  const state = document.querySelector(".live")
  let wanted = false, loading = false, fails = 0
  const show = (name) => {
    state.dataset.state = name
    state.querySelector(".word").textContent = name
  }
  const update = async () => {
    wanted = true
    if (loading) return
    loading = true
    while (wanted) {
      wanted = false
      try {
        await loadAgain()
        fails = 0
      } catch {
        if (++fails < 5) wanted = true
        await new Promise((done) => setTimeout(done, 1000 * fails))
      }
      await new Promise((done) => setTimeout(done, CALM_MS))
    }
    loading = false
  }
  let source = null
  const connect = () => {
    source = new EventSource(location.href)
    source.addEventListener("open", () => {
      show("live")
      update() // what changed before the stream was open
    })
    source.addEventListener("changed", update)
    source.addEventListener("error", () => {
      show(source.readyState === EventSource.CLOSED ? "away" : "connecting")
      if (source.readyState === EventSource.CLOSED) setTimeout(update, 1000)
    })
  }
  connect()
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source.close()
    else if (source.readyState === EventSource.CLOSED) connect()
  })
  addEventListener("pagehide", () => source.close())
}

// -- logs -----------------------------------------------------------------------------------------

class PodLogs extends HTMLElement {
  connectedCallback() {
    this.querySelector("button").addEventListener("click", () => (this.source ? this.stop() : this.start()))
  }

  disconnectedCallback() {
    this.stop()
  }

  start() {
    const out = this.querySelector("pre")
    out.hidden = false
    out.replaceChildren()
    this.querySelector("button").textContent = "Stop"
    this.source = new EventSource(this.getAttribute("src"))
    this.source.addEventListener("pods", (event) => {
      if (!JSON.parse(event.data).count) out.append("It has no pods.\n")
    })
    this.source.addEventListener("line", (event) => {
      const { pod, text } = JSON.parse(event.data)
      const stays = out.scrollTop + out.clientHeight < out.scrollHeight - 4
      const line = document.createElement("span"), name = document.createElement("span")
      name.className = "pod"
      name.textContent = `${pod}  `
      line.append(name, `${text}\n`)
      out.append(line)
      while (out.childNodes.length > MAX_LINES) out.firstChild.remove()
      if (!stays) out.scrollTop = out.scrollHeight
    })
    this.source.addEventListener("end", () => this.stop())
    this.source.addEventListener("error", () => this.stop())
  }

  stop() {
    this.source?.close()
    this.source = null
    this.querySelector("button").textContent = "Follow"
  }
}

customElements.define("pod-logs", PodLogs)

// -- keyboard and clipboard -----------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll(".menu[open]")) menu.open = false
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return
  if (event.key === "/") {
    document.querySelector("[data-hotkey='/']")?.focus()
    event.preventDefault()
  } else if (event.key === "j" || event.key === "k") {
    const links = [...document.querySelectorAll("tbody .key a, .tree a, .asks a.key")]
    const place = links.indexOf(document.activeElement)
    const next = event.key === "j" ? place + 1 : Math.max(0, place - 1)
    links[Math.min(next, links.length - 1)]?.focus()
  }
})

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]")
  if (button) {
    await navigator.clipboard.writeText(button.dataset.copy)
    const text = button.textContent
    button.textContent = "Copied"
    setTimeout(() => (button.textContent = text), 1200)
  }
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false
})

markRows(document)
showTimes(document)
setInterval(() => showTimes(document), 1000)
if ("livePage" in document.body.dataset) follow()
