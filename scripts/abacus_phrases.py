"""The words of the abacus corpus: names, things and the phrasings of every clause, in English and Chinese.

Contract: plain tables, read by `abacus_problems.py`. No phrase holds a digit, since a problem's digits are exactly
the numbers of its story. Slots: {who}, {he}, {He} are the person whose amount is followed, {other} somebody else,
{last} the person followed before; {thing}, {box}, {goods} what is counted; {n}, {k}, {m} numbers.
"""

from __future__ import annotations

# fmt: off
# Every list holds phrasings of one and the same clause.
NAMES = {
    "en": [("Tom", "he"), ("Anna", "she"), ("Ben", "he"), ("Lucy", "she"), ("Omar", "he"), ("Mia", "she"),
           ("Jack", "he"), ("Emma", "she"), ("Leo", "he"), ("Nina", "she"), ("Sam", "he"), ("Ruth", "she"),
           ("Ivan", "he"), ("Clara", "she"), ("Paul", "he"), ("Zoe", "she")],
    "zh": [("小明", "他"), ("小红", "她"), ("小刚", "他"), ("小丽", "她"), ("王强", "他"), ("李娜", "她"),
           ("张伟", "他"), ("刘芳", "她"), ("陈晨", "他"), ("小雨", "她"), ("大伟", "他"), ("小兰", "她"),
           ("阿杰", "他"), ("阿梅", "她"), ("赵云", "他"), ("孙静", "她")],
}
# A thing with its container (English plural) or with its measure word and container (Chinese).
THINGS = {
    "en": [("apples", "boxes"), ("pears", "baskets"), ("eggs", "trays"), ("books", "shelves"), ("stamps", "albums"),
           ("marbles", "bags"), ("cards", "packs"), ("pencils", "boxes"), ("cookies", "jars"), ("shells", "buckets"),
           ("coins", "bags"), ("roses", "bunches"), ("stickers", "sheets"), ("nuts", "sacks"), ("beads", "strings")],
    "zh": [("个苹果", "箱"), ("个梨", "筐"), ("个鸡蛋", "盒"), ("本书", "箱"), ("张邮票", "册"), ("颗弹珠", "袋"),
           ("张卡片", "包"), ("支铅笔", "盒"), ("块饼干", "罐"), ("个贝壳", "桶"), ("枚硬币", "袋"), ("朵花", "束"),
           ("张贴纸", "包"), ("颗糖", "袋"), ("个球", "筐")],
}
GOODS = {
    "en": ["pens", "hats", "mugs", "toys", "lamps", "scarves", "tickets", "plates", "balls", "maps"],
    "zh": ["支钢笔", "顶帽子", "个杯子", "个玩具", "盏灯", "条围巾", "张票", "个盘子", "个球", "张地图"],
}
STUFF = {
    "en": {
        "start": ["{who} has {n} {thing}.", "At first {who} has {n} {thing}.", "{who} starts with {n} {thing}.",
                  "{who} collected {n} {thing}.", "There are {n} {thing} in the room of {who}."],
        "start_group": ["{who} has {k} {box} with {m} {thing} in each.", "{who} owns {k} {box} of {m} {thing}.",
                        "{k} {box} belong to {who}, each holding {m} {thing}.",
                        "{who} filled {k} {box} and put {m} {thing} in every one."],
        "gain": ["{He} buys {n} more.", "Then {other} gives {who} {n} {thing}.", "{who} finds another {n}.",
                 "Later {he} gets {n} more {thing} from {other}.", "The next day {n} {thing} are added."],
        "lose": ["{He} gives {n} to {other}.", "Then {who} loses {n} {thing}.", "{other} takes away {n} {thing}.",
                 "Later {he} uses up {n}.", "{n} of them are sold."],
        "gain_group": ["{He} buys {k} {box} of {m} {thing}.", "{other} brings {k} more {box}, each with {m}.",
                       "Then {k} {box} with {m} {thing} each arrive.", "Every day for {k} days {he} finds {m} more."],
        "lose_group": ["{who} gives {m} {thing} to each of {k} friends.", "Then {k} {box} of {m} are sold.",
                       "For {k} days {he} uses {m} {thing} a day.", "{other} takes {k} {box}, each with {m} {thing}."],
        "times": ["Then the number grows to {k} times as many.", "After a year {he} has {k} times that number.",
                  "With luck {who} makes it {k} times as many."],
        "double": ["Then the number of {thing} doubles.", "{He} ends up with twice as many."],
        "share": ["{He} splits them into {k} equal piles and keeps one pile.",
                  "They are shared equally by {k} people, and {who} keeps one share."],
        "halve": ["{He} gives half of them to {other}.", "Then half of the {thing} are lost."],
        "more": ["{other} has {n} more {thing} than {who}.", "{other} has {n} more than {he} has."],
        "fewer": ["{other} has {n} fewer {thing} than {who}.", "{other} has {n} fewer than {he} has."],
        "as_many": ["{other} has {k} times as many {thing} as {who}.", "{other} owns {k} times as many as {who}."],
        "ask": ["How many {thing} does {who} have now?", "How many {thing} does {who} have in the end?",
                "Find the number of {thing} that {who} has.", "What is the number of {thing} of {who}?"],
        "ask_price": ["Each one sells for {n} dollars. How much money does {who} get for all of them?",
                      "If one costs {n} dollars, how many dollars are all {thing} of {who} worth?"],
        "ask_pack": ["{who} packs them, {n} in a bag. How many bags does {he} fill?",
                     "How many groups of {n} can {who} make?"],
        "ask_need": ["{He} needs {n} {thing}. How many are still missing?", "How many more must {he} get to have {n}?"],
        "ask_both": ["How many {thing} do {who} and {last} have together?", "What do {last} and {who} have in total?"],
    },
    "zh": {
        "start": ["{who}有{n}{thing}。", "起初{who}有{n}{thing}。", "{who}一开始有{n}{thing}。",
                  "{who}收集了{n}{thing}。", "{who}的房间里有{n}{thing}。"],
        "start_group": ["{who}有{k}{box}，每{box}{m}{thing}。", "{who}买来{k}{box}，每{box}装{m}{thing}。",
                        "{k}{box}都是{who}的，每{box}里有{m}{thing}。", "{who}装满了{k}{box}，每{box}放{m}{thing}。"],
        "gain": ["{he}又买了{n}{thing}。", "然后{other}给了{who}{n}{thing}。", "{who}又找到{n}{thing}。",
                 "后来{he}从{other}那里得到{n}{thing}。", "第二天又增加了{n}{thing}。"],
        "lose": ["{he}送给{other}{n}{thing}。", "然后{who}丢了{n}{thing}。", "{other}拿走了{n}{thing}。",
                 "后来{he}用掉了{n}{thing}。", "其中{n}{thing}被卖掉了。"],
        "gain_group": ["{he}又买了{k}{box}，每{box}{m}{thing}。", "{other}又送来{k}{box}，每{box}{m}{thing}。",
                       "后来又到了{k}{box}，每{box}装{m}{thing}。", "接下来{k}天，{he}每天得到{m}{thing}。"],
        "lose_group": ["{who}给{k}个朋友每人{m}{thing}。", "然后卖掉了{k}{box}，每{box}{m}{thing}。",
                       "接下来{k}天，{he}每天用掉{m}{thing}。", "{other}拿走{k}{box}，每{box}{m}{thing}。"],
        "times": ["后来数量变成原来的{k}倍。", "一年后{he}的数量是原来的{k}倍。", "{who}让数量增加到原来的{k}倍。"],
        "double": ["然后数量翻了一番。", "后来{he}的数量变成原来的两倍。"],
        "share": ["{he}把它们平均分成{k}份，只留下一份。", "{k}个人平均分，{who}留下其中一份。"],
        "halve": ["{he}把一半给了{other}。", "后来丢了一半。"],
        "more": ["{other}比{who}多{n}{thing}。", "{other}的数量比{he}多{n}。"],
        "fewer": ["{other}比{who}少{n}{thing}。", "{other}的数量比{he}少{n}。"],
        "as_many": ["{other}的数量是{who}的{k}倍。", "{other}拥有的是{who}的{k}倍。"],
        "ask": ["{who}现在有多少{thing}？", "最后{who}有多少{thing}？", "求{who}有多少{thing}。",
                "问{who}一共有多少{thing}？"],
        "ask_price": ["每{thing}卖{n}元，{who}全部卖掉能得到多少元？", "如果每{thing}值{n}元，{who}的全部值多少元？"],
        "ask_pack": ["{who}把它们装袋，每袋{n}{thing}，能装多少袋？", "每组{n}{thing}，{who}能分成多少组？"],
        "ask_need": ["{he}需要{n}{thing}，还差多少？", "{he}再得到多少才有{n}{thing}？"],
        "ask_both": ["{who}和{last}一共有多少{thing}？", "{last}与{who}合起来有多少{thing}？"],
    },
}
MONEY = {
    "en": {
        "start": ["{who} has {n} dollars.", "{who} saved {n} dollars.", "At first {who} has {n} dollars in the bank."],
        "start_group": ["{who} sells {k} {goods} at {m} dollars each.",
                        "{who} works {k} days and earns {m} dollars a day.",
                        "For {k} weeks {who} saves {m} dollars a week."],
        "gain": ["{He} earns {n} dollars more.", "Then {other} pays {who} {n} dollars.",
                 "Later {he} wins {n} dollars."],
        "lose": ["{He} spends {n} dollars.", "Then {who} pays {other} {n} dollars.", "A bill of {n} dollars is paid."],
        "gain_group": ["{He} sells {k} {goods} for {m} dollars each.", "Then {k} friends pay {who} {m} dollars each.",
                       "For {k} days {he} earns {m} dollars a day."],
        "lose_group": ["{He} buys {k} {goods} at {m} dollars each.", "Then {who} pays {k} workers {m} dollars each.",
                       "For {k} days {he} spends {m} dollars a day."],
        "times": ["Then the money grows to {k} times as much.", "{He} turns it into {k} times that sum."],
        "double": ["Then the money doubles.", "{He} ends up with twice the money."],
        "share": ["{He} splits the money equally among {k} people and keeps one share."],
        "halve": ["{He} spends half of the money.", "Half of the money goes to {other}."],
        "more": ["{other} has {n} dollars more than {who}."], "fewer": ["{other} has {n} dollars less than {who}."],
        "as_many": ["{other} has {k} times as much money as {who}."],
        "ask": ["How many dollars does {who} have now?", "How much money does {who} have in the end?",
                "Find the money that {who} has."],
        "ask_price": ["One dollar buys {n} points. How many points can {who} buy?"],
        "ask_pack": ["One ticket costs {n} dollars. How many tickets can {who} buy?"],
        "ask_need": ["A bicycle costs {n} dollars. How much money is still missing?"],
        "ask_both": ["How many dollars do {who} and {last} have together?"],
    },
    "zh": {
        "start": ["{who}有{n}元。", "{who}存了{n}元。", "起初{who}的账户里有{n}元。"],
        "start_group": ["{who}卖出{k}{goods}，每件{m}元。", "{who}工作{k}天，每天挣{m}元。",
                        "{who}存了{k}周，每周{m}元。"],
        "gain": ["{he}又挣了{n}元。", "然后{other}付给{who}{n}元。", "后来{he}得到{n}元奖金。"],
        "lose": ["{he}花了{n}元。", "然后{who}付给{other}{n}元。", "后来又交了{n}元的账单。"],
        "gain_group": ["{he}又卖出{k}{goods}，每件{m}元。", "然后{k}个朋友每人付给{who}{m}元。",
                       "接下来{k}天，{he}每天挣{m}元。"],
        "lose_group": ["{he}买了{k}{goods}，每件{m}元。", "然后{who}付给{k}个工人每人{m}元。",
                       "接下来{k}天，{he}每天花{m}元。"],
        "times": ["后来钱变成原来的{k}倍。", "{who}让钱增加到原来的{k}倍。"],
        "double": ["然后钱翻了一番。", "后来钱变成原来的两倍。"],
        "share": ["{he}把钱平均分给{k}个人，自己只留一份。"], "halve": ["{he}花掉了一半。", "一半的钱给了{other}。"],
        "more": ["{other}比{who}多{n}元。"], "fewer": ["{other}比{who}少{n}元。"],
        "as_many": ["{other}的钱是{who}的{k}倍。"],
        "ask": ["{who}现在有多少元？", "最后{who}有多少钱？", "求{who}有多少元。"],
        "ask_price": ["每元可以换{n}个积分，{who}能换多少积分？"], "ask_pack": ["每张票{n}元，{who}能买多少张票？"],
        "ask_need": ["一辆自行车{n}元，还差多少元？"], "ask_both": ["{who}和{last}一共有多少元？"],
    },
}
# How a worked line opens; several openings, so that two samples rarely walk the same path.
LEADS = {
    "en": {"+": ["Add", "Then", "Sum", "More"], "-": ["Subtract", "Then", "Less", "Left"],
           "*": ["Multiply", "Then", "Times", "Product"], "/": ["Divide", "Then", "Share", "Parts"]},
    "zh": {"+": ["相加", "然后", "增加", "得"], "-": ["相减", "然后", "减少", "剩"],
           "*": ["相乘", "然后", "乘得", "积"], "/": ["相除", "然后", "平分", "每份"]},
}
ENDINGS = {
    "en": ["The answer is \\boxed{%d}.", "So the answer is \\boxed{%d}.", "The result is \\boxed{%d}."],
    "zh": ["答案是\\boxed{%d}。", "所以答案是\\boxed{%d}。", "结果是\\boxed{%d}。"],
}
